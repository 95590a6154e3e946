// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// What /proc/self/task tells of this process's threads.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <system_error>
#include <vector>

namespace berth::detail {

// All threads that there are now. `error`: some of them, or none; there may be no /proc, or no descriptor to read it.
std::vector<pid_t> list_threads(std::error_code& error);

bool has_ended(pid_t thread) noexcept;

// Its comm, empty if it has ended.
std::string thread_name(pid_t thread);

// Whether it has the signal blocked, or that cannot be told.
bool blocks_signal(pid_t thread, int signal) noexcept;

// How often the thread was given a processor: the same number twice, and it has not run in between. Nothing where the
// kernel does not count.
std::optional<std::uint64_t> times_scheduled(pid_t thread) noexcept;

// For how long the thread has run, in nanoseconds. Where the kernel counts no slices the figure is that of its clock,
// hundredths of a second. Nothing if it has ended.
std::optional<std::uint64_t> nanoseconds_run(pid_t thread) noexcept;

// Whether it runs, or waits for a processor to run on.
bool wants_to_run(pid_t thread) noexcept;

// Where a thread sleeps.
struct SleepingThread {
  long system_call = -1;
  std::uintptr_t sp = 0;
  std::uintptr_t pc = 0;
};

enum class ThreadState { Sleeping, Running, Ended, Unknown };

ThreadState look_at_thread(pid_t thread, SleepingThread& where) noexcept;

}  // namespace berth::detail
