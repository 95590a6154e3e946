// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
#include "tools/run/ends.hpp"

#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>

#include "host_api/src/routing/interposed.hpp"
#include "host_api/src/routing/real_allocator.hpp"
#include "host_api/src/routing/release.hpp"
#include "tools/run/report.hpp"

namespace berth::run {

namespace {

// Not where a process ends at once: a signal's handler may do that, and have interrupted anything.
[[gnu::noinline]] void look_a_last_time() noexcept {
  if (getpid() != this_process || !routing::started()) return;
  routing::look_at_kept_at_end(reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0)));
  asm volatile("" ::: "memory");  // not a tail call: this frame stays
}

// After all handlers and destructors of the program and its modules.
void at_exit(int status, void*) {
  __builtin_unwind_init();
  look_a_last_time();
  const int wanted = report(status);
  if (wanted == status) return;
  std::fflush(nullptr);
  _exit(wanted);
}

void at_quick_end() {
  __builtin_unwind_init();
  look_a_last_time();
  report(0);
}

// The C library's. Found at the start, or by who comes earlier; all write the same value (relaxed).
struct Next {
  const char* name;
  std::atomic<void*> function{nullptr};
};
constinit Next next_exit{"_exit"};
constinit Next next_abort{"abort"};

void* find(Next& next) noexcept {
  void* found = next.function.load(std::memory_order_relaxed);
  if (found == nullptr) {
    found = routing::find_next(next.name);
    next.function.store(found, std::memory_order_relaxed);
  }
  return found;
}

}  // namespace

void watch_ends() noexcept {
  find(next_exit);
  find(next_abort);
  on_exit(at_exit, nullptr);
  at_quick_exit(at_quick_end);
}

}  // namespace berth::run

using namespace berth::run;

extern "C" {

BERTH_INTERPOSED __attribute__((noreturn)) void _exit(int status) {
  reinterpret_cast<void (*)(int)>(find(next_exit))(report(status));
  __builtin_unreachable();
}
BERTH_INTERPOSED __attribute__((noreturn)) void _Exit(int status) { _exit(status); }
BERTH_INTERPOSED __attribute__((noreturn)) void abort() {
  report(134);
  reinterpret_cast<void (*)()>(find(next_abort))();
  __builtin_unreachable();
}

}  // extern "C"
