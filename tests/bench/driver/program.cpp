// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
#include "program.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <stdexcept>

namespace bench {
namespace {

pid_t start(std::vector<std::string> words, int output) {
  std::vector<char*> pointers;
  for (std::string& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
  pid_t child = 0;
  const int failure = posix_spawn(&child, pointers[0], &actions, nullptr, pointers.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (failure != 0) throw std::runtime_error("cannot start " + words[0] + ": " + std::strerror(failure));
  return child;
}

// Until the child has closed it. False: the time ran out before.
bool read_all(int input, int timeout_seconds, std::string& text) {
  using Clock = std::chrono::steady_clock;
  const auto end = Clock::now() + std::chrono::seconds(timeout_seconds);
  for (;;) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(end - Clock::now()).count();
    pollfd file{input, POLLIN, 0};
    const int ready = left <= 0 ? 0 : poll(&file, 1, static_cast<int>(left));
    if (ready == 0) return false;
    std::array<char, 4096> piece;
    const ssize_t count = ready < 0 ? -1 : read(input, piece.data(), piece.size());
    if (count > 0) text.append(piece.data(), static_cast<std::size_t>(count));
    if (count == 0 || (count < 0 && errno != EINTR)) return true;
  }
}

}  // namespace

ProgramOutcome run_program(const std::vector<std::string>& words, int timeout_seconds) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) throw std::runtime_error("cannot make a pipe");
  const pid_t child = start(words, ends[1]);
  close(ends[1]);
  ProgramOutcome outcome;
  const bool ended = read_all(ends[0], timeout_seconds, outcome.output);
  close(ends[0]);
  if (!ended) kill(child, SIGKILL);
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (!ended) {
    outcome.failure = "not done after " + std::to_string(timeout_seconds) + " s";
  } else if (WIFSIGNALED(status)) {
    outcome.failure = std::string("died: ") + strsignal(WTERMSIG(status));
  } else if (WEXITSTATUS(status) != 0) {
    outcome.failure = "ended with status " + std::to_string(WEXITSTATUS(status));
  }
  return outcome;
}

}  // namespace bench
