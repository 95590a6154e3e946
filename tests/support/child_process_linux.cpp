// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// child_process.hpp by posix_spawn; ends are signals.
#include <fcntl.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <stdexcept>

#include "child_process.hpp"

namespace berth::tests {

namespace {

// Until all who can write to it have closed it.
std::string read_to_end(int file) {
  std::string text;
  char buffer[512];
  for (ssize_t count; (count = ::read(file, buffer, sizeof(buffer))) > 0;) {
    text.append(buffer, static_cast<std::size_t>(count));
  }
  return text;
}

End end_of(int status) {
  if (WIFEXITED(status)) return End::Exit;
  switch (WTERMSIG(status)) {
    case SIGABRT: return End::Abort;
    case SIGSEGV:
    case SIGBUS: return End::Fault;
    default: return End::Other;
  }
}

// Written before there is a fault.
int (*last_look)() = nullptr;

void exit_by_fault(int) { ::_exit(last_look()); }

}  // namespace

ChildEnding run_again(const std::vector<std::string>& arguments) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) throw std::runtime_error("no pipe");
  std::string program = "/proc/self/exe";
  std::vector<std::string> words = arguments;
  std::vector<char*> line = {program.data()};
  for (std::string& word : words) line.push_back(word.data());
  line.push_back(nullptr);

  posix_spawn_file_actions_t files;
  ::posix_spawn_file_actions_init(&files);
  ::posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
  ::posix_spawn_file_actions_adddup2(&files, ends[1], STDERR_FILENO);
  pid_t child = 0;
  const int refused = ::posix_spawn(&child, program.c_str(), &files, nullptr, line.data(), environ);
  ::posix_spawn_file_actions_destroy(&files);
  ::close(ends[1]);
  ChildEnding ending;
  if (refused == 0) ending.text = read_to_end(ends[0]);
  ::close(ends[0]);
  int status = 0;
  if (refused != 0 || ::waitpid(child, &status, 0) != child)
    throw std::runtime_error("cannot start this program again");
  ending.end = end_of(status);
  if (ending.end == End::Exit) ending.status = WEXITSTATUS(status);
  return ending;
}

void expect_the_end(unsigned seconds, int (*at_fault)()) {
  std::signal(SIGABRT, SIG_DFL);
  last_look = at_fault;
  for (const int deadly : {SIGSEGV, SIGBUS}) std::signal(deadly, at_fault != nullptr ? exit_by_fault : SIG_DFL);
  const rlimit no_core = {0, 0};
  ::setrlimit(RLIMIT_CORE, &no_core);
  const rlimit limit = {seconds, seconds};
  ::setrlimit(RLIMIT_CPU, &limit);
}

}  // namespace berth::tests
