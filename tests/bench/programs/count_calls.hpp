// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// How many system calls some work makes, counted from outside: it runs in a child that is traced, between two marks.
#pragma once

#include <signal.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace bench {
namespace detail {

// Calls between the marks, which are calls of getppid; the child runs until it ends. Each call stops it twice.
inline long count_until_end(pid_t child) {
  long stops = 0;
  int marks = 0;
  int status = 0;
  while (waitpid(child, &status, 0) == child && WIFSTOPPED(status)) {
    const int signal = WSTOPSIG(status);
    if (signal == (SIGTRAP | 0x80)) {
      __ptrace_syscall_info call{};
      ptrace(static_cast<__ptrace_request>(PTRACE_GET_SYSCALL_INFO), child, sizeof(call), &call);
      if (call.op == PTRACE_SYSCALL_INFO_ENTRY) {
        if (call.entry.nr == SYS_getppid) {
          ++marks;
        } else if (marks == 1) {
          ++stops;
        }
      }
    }
    const bool pass_on = signal != SIGSTOP && (signal & 0x7F) != SIGTRAP;
    ptrace(PTRACE_SYSCALL, child, nullptr, pass_on ? signal : 0);
  }
  return marks == 2 ? stops : -1;
}

}  // namespace detail

// -1 where tracing is not permitted.
template <typename Work>
double count_calls(Work work) {
  const pid_t child = fork();
  if (child < 0) return -1;
  if (child == 0) {
    if (ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) != 0) _exit(1);
    raise(SIGSTOP);
    work();  // once, so that what a forked child makes anew is there
    syscall(SYS_getppid);
    work();
    syscall(SYS_getppid);
    _exit(0);
  }
  int status = 0;
  if (waitpid(child, &status, 0) != child || !WIFSTOPPED(status)) return -1;
  ptrace(PTRACE_SETOPTIONS, child, nullptr, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL);
  ptrace(PTRACE_SYSCALL, child, nullptr, 0);
  return static_cast<double>(detail::count_until_end(child));
}

}  // namespace bench
