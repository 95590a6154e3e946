// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
#include <sched.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "host_api/src/references/process_files_linux.hpp"
#include "host_api/src/views/process.hpp"

namespace berth::views::process {

std::uint64_t number() noexcept { return static_cast<std::uint64_t>(::syscall(SYS_getpid)); }

void command(char* out, std::size_t size) noexcept {
  std::size_t used = 0;
  const references::files::File file("/proc/self/cmdline");
  while (file && used + 1 < size) {
    const long count = file.read(out + used, size - 1 - used);
    if (count <= 0) break;
    used += static_cast<std::size_t>(count);
  }
  while (used > 0 && out[used - 1] == '\0') --used;
  for (std::size_t place = 0; place < used; ++place) {
    if (out[place] == '\0') out[place] = ' ';
  }
  out[used] = '\0';
}

std::uint64_t wall_milliseconds() noexcept {
  timespec now = {};
  clock_gettime(CLOCK_REALTIME, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1000 + static_cast<std::uint64_t>(now.tv_nsec) / 1'000'000;
}

bool is_realtime_thread() noexcept {
  const long policy = ::syscall(SYS_sched_getscheduler, 0);
  if (policy < 0) return true;  // where nobody can tell it may be one
  constexpr long kWithoutFlags = 0xff;
  constexpr long kDeadline = 6;
  return (policy & kWithoutFlags) == SCHED_FIFO || (policy & kWithoutFlags) == SCHED_RR ||
         (policy & kWithoutFlags) == kDeadline;
}

}  // namespace berth::views::process
