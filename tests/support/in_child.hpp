// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Runs something that may end the process in a child of its own. Not under ThreadSanitizer: a forked child runs its
// runtime with locks that others held.
#pragma once

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <string>

#include "support/catch.hpp"

namespace berth::tests {

// How a child ended, and what it wrote to standard error.
struct Ending {
  int status = 0;
  std::string text;
};

// Runs `act` in a child and returns how it ended and what it wrote to standard error.
template <typename Act>
Ending in_child(Act act) {
  int ends[2];
  REQUIRE(pipe2(ends, O_CLOEXEC) == 0);
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    dup2(ends[1], STDERR_FILENO);
    // Catch2 has handlers for these.
    for (const int deadly : {SIGABRT, SIGSEGV, SIGBUS}) std::signal(deadly, SIG_DFL);
    const rlimit no_core = {0, 0};
    setrlimit(RLIMIT_CORE, &no_core);
    act();
    _exit(0);
  }
  close(ends[1]);
  Ending ending;
  char buffer[512];
  for (ssize_t count; (count = read(ends[0], buffer, sizeof(buffer))) > 0;) {
    ending.text.append(buffer, static_cast<std::size_t>(count));
  }
  close(ends[0]);
  REQUIRE(waitpid(child, &ending.status, 0) == child);
  return ending;
}

}  // namespace berth::tests
