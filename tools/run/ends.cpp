// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
#include "tools/run/ends.hpp"

#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include "host_api/src/interposed/interposed.hpp"
#include "host_api/src/routing/release.hpp"
#include "tools/run/next.hpp"
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

constinit Next<void(int)> next_exit("_exit");
constinit Next<void()> next_abort("abort");

}  // namespace

void watch_ends() noexcept {
  next_exit.find();
  next_abort.find();
  on_exit(at_exit, nullptr);
  at_quick_exit(at_quick_end);
}

}  // namespace berth::run

using namespace berth::run;

extern "C" {

BERTH_INTERPOSED __attribute__((noreturn)) void _exit(int status) {
  next_exit.find()(report(status));
  __builtin_unreachable();
}
BERTH_INTERPOSED __attribute__((noreturn)) void _Exit(int status) { _exit(status); }
BERTH_INTERPOSED __attribute__((noreturn)) void abort() {
  report(134);
  next_abort.find()();
  __builtin_unreachable();
}

}  // extern "C"
