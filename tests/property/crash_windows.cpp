// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Crashes are exceptions that the C runtime makes signals of; each handler is called once.
#if defined(_WIN32)

#include <io.h>

#include <csignal>
#include <cstring>

#include "crash.hpp"

namespace property {

std::array<char, 128> crash_line;

namespace {

void on_crash(int number) {
  _write(2, crash_line.data(), static_cast<unsigned>(std::strlen(crash_line.data())));
  if (number == SIGABRT) std::raise(number);
}

}  // namespace

void tell_crashes() {
  for (const int number : {SIGSEGV, SIGABRT}) std::signal(number, on_crash);
}

}  // namespace property

#endif
