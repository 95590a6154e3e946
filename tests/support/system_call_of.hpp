// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// What a thread of this process is doing, as the system sees it.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdlib>
#include <fstream>
#include <string>
#include <thread>

#include "support/scaled.hpp"

namespace berth::tests {

// The number of the system call that a thread sleeps in; -1: it runs, or the system does not tell.
inline long system_call_of(pid_t thread) {
  std::ifstream file("/proc/self/task/" + std::to_string(thread) + "/syscall");
  std::string first;
  return file >> first && first != "running" ? std::strtol(first.c_str(), nullptr, 10) : -1;
}

// Whether the system tells of such calls at all. QEMU's it tells by other numbers than the program's.
inline bool system_calls_are_told() { return !kEmulated && static_cast<bool>(std::ifstream("/proc/self/syscall")); }

// Waits until a thread sleeps in this call. False: it does not within half a minute.
inline bool comes_to_sleep_in(pid_t thread, long call) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (system_call_of(thread) != call) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::yield();
  }
  return true;
}

}  // namespace berth::tests
