// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
#include <windows.h>

#include <cstring>

#include "host_api/src/views/process.hpp"

namespace berth::views::process {

std::uint64_t number() noexcept { return GetCurrentProcessId(); }

void command(char* out, std::size_t size) noexcept {
  std::strncpy(out, GetCommandLineA(), size - 1);
  out[size - 1] = '\0';
}

std::uint64_t wall_milliseconds() noexcept {
  FILETIME now;
  GetSystemTimeAsFileTime(&now);
  // Steps of 100 ns since 1601.
  constexpr std::uint64_t kFrom1601To1970 = 11'644'473'600'000;
  return ((std::uint64_t{now.dwHighDateTime} << 32) | now.dwLowDateTime) / 10'000 - kFrom1601To1970;
}

bool is_realtime_thread() noexcept { return GetThreadPriority(GetCurrentThread()) >= THREAD_PRIORITY_TIME_CRITICAL; }

}  // namespace berth::views::process
