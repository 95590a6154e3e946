// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// program.hpp by posix_spawn, with pipes and pseudo-terminals.
#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <stdexcept>

#include "program.hpp"

namespace {

// What the child writes to, by its name, and what the parent reads.
struct Channel {
  int read_end = -1;
  int write_end = -1;    // of a pipe
  std::string terminal;  // the child opens it
};

Channel make_pipe() {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) throw std::runtime_error("pipe2 failed");
  return {ends[0], ends[1], {}};
}

Channel make_terminal() {
  const int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
  if (master < 0 || grantpt(master) != 0 || unlockpt(master) != 0) throw std::runtime_error("no pseudo-terminal");
  return {master, -1, ptsname(master)};
}

// Until the child has closed both; a terminal's end shows as EIO.
void read_both(const Channel& out, const Channel& err, Outcome& outcome) {
  std::array<pollfd, 2> files{{{out.read_end, POLLIN, 0}, {err.read_end, POLLIN, 0}}};
  const std::array<std::string*, 2> texts{&outcome.out, &outcome.err};
  while (files[0].fd >= 0 || files[1].fd >= 0) {
    if (poll(files.data(), files.size(), -1) < 0 && errno != EINTR) throw std::runtime_error("poll failed");
    for (std::size_t i = 0; i < files.size(); i++) {
      if (files[i].fd < 0 || files[i].revents == 0) continue;
      std::array<char, 4096> piece;
      const ssize_t count = read(files[i].fd, piece.data(), piece.size());
      if (count > 0) {
        texts[i]->append(piece.data(), static_cast<std::size_t>(count));
      } else if (count == 0 || errno != EINTR) {
        files[i].fd = -1;
      }
    }
  }
}

}  // namespace

bool has_terminals() {
  const int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
  const bool usable = master >= 0 && grantpt(master) == 0 && unlockpt(master) == 0 && ptsname(master) != nullptr &&
                      access(ptsname(master), R_OK | W_OK) == 0;
  if (master >= 0) close(master);
  return usable;
}

Outcome run_sample_host(const std::vector<std::string>& arguments, Errors errors) {
  const Channel out = make_pipe();
  const Channel err = errors == Errors::ToPipe ? make_pipe() : make_terminal();
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, out.write_end, STDOUT_FILENO);
  if (errors == Errors::ToPipe) {
    posix_spawn_file_actions_adddup2(&actions, err.write_end, STDERR_FILENO);
  } else {
    posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, err.terminal.c_str(), O_RDWR | O_NOCTTY, 0);
  }
  std::vector<std::string> words{SAMPLE_HOST};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> pointers;
  for (std::string& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  pid_t child = 0;
  const int failure = posix_spawn(&child, SAMPLE_HOST, &actions, nullptr, pointers.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  close(out.write_end);
  if (err.write_end >= 0) close(err.write_end);
  if (failure != 0) throw std::runtime_error("cannot start " SAMPLE_HOST);

  Outcome outcome;
  read_both(out, err, outcome);
  close(out.read_end);
  close(err.read_end);
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  outcome.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return outcome;
}

TemporaryFolder::TemporaryFolder() {
  std::string name = (std::filesystem::temp_directory_path() / "berth-samples-XXXXXX").string();
  if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("cannot make a temporary folder");
  path_ = name;
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::string TemporaryFolder::write(const std::string& name, const std::string& bytes) const {
  std::ofstream(path(name), std::ios::binary) << bytes;
  return path(name);
}
