// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// What the system itself does on a signal: rt_sigaction(2) on x86-64. sigaction(3) may be that of a library that stands
// between (a sanitizer's), which shows the program's handler, but not what the system calls.
#pragma once

#include <sys/syscall.h>
#include <unistd.h>

#include <csignal>
#include <cstdint>

namespace berth::signals {

struct KernelAction {
  void (*handler)(int, siginfo_t*, void*);
  unsigned long flags;
  void (*restorer)();  // where the handler returns to
  std::uint64_t mask;
};

inline bool read_kernel_action(int signal, KernelAction& action) noexcept {
  return ::syscall(SYS_rt_sigaction, signal, nullptr, &action, sizeof(action.mask)) == 0;
}

inline bool write_kernel_action(int signal, const KernelAction& action) noexcept {
  return ::syscall(SYS_rt_sigaction, signal, &action, nullptr, sizeof(action.mask)) == 0;
}

}  // namespace berth::signals
