// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Crashes are signals, whose earlier handlers may be a sanitizer's.
#if defined(__linux__)

#include <signal.h>
#include <unistd.h>

#include <cstring>

#include "crash.hpp"

namespace property {

std::array<char, 128> crash_line;

namespace {

struct CrashSignal {
  int number;
  struct sigaction previous;
};
std::array<CrashSignal, 3> crash_signals = {{{SIGSEGV, {}}, {SIGBUS, {}}, {SIGABRT, {}}}};

void on_crash(int number) {
  [[maybe_unused]] const ssize_t written = write(STDERR_FILENO, crash_line.data(), std::strlen(crash_line.data()));
  for (const CrashSignal& each : crash_signals) {
    if (each.number == number) sigaction(number, &each.previous, nullptr);
  }
  if (number == SIGABRT) raise(number);
}

}  // namespace

void tell_crashes() {
  struct sigaction action {};
  action.sa_handler = on_crash;
  for (CrashSignal& each : crash_signals) sigaction(each.number, &action, &each.previous);
}

}  // namespace property

#endif
