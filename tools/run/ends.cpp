// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
#include "tools/run/ends.hpp"

#include <unistd.h>

#include <atomic>
#include <cstdarg>
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

template <typename Function>
Function* next_of(const char* name) noexcept {
  return reinterpret_cast<Function*>(routing::find_next(name));
}

// Whether the program can be started is not known before: a report too many is written again.
template <typename Exec>
int execute(const char* path, Exec exec) noexcept {
  if (path == nullptr || access(path, X_OK) == 0) report(0);
  return exec();
}

}  // namespace

void watch_ends() noexcept {
  on_exit(at_exit, nullptr);
  at_quick_exit(at_quick_end);
}

}  // namespace berth::run

using namespace berth::run;

extern "C" {

BERTH_INTERPOSED __attribute__((noreturn)) void _exit(int status) {
  next_of<void(int)>("_exit")(report(status));
  __builtin_unreachable();
}
BERTH_INTERPOSED __attribute__((noreturn)) void _Exit(int status) { _exit(status); }
BERTH_INTERPOSED __attribute__((noreturn)) void abort() {
  report(134);
  next_of<void()>("abort")();
  __builtin_unreachable();
}

BERTH_INTERPOSED int execve(const char* path, char* const arguments[], char* const environment[]) {
  using Exec = int(const char*, char* const[], char* const[]);
  return execute(path, [=] { return next_of<Exec>("execve")(path, arguments, environment); });
}
BERTH_INTERPOSED int execv(const char* path, char* const arguments[]) {
  return execute(path, [=] { return next_of<int(const char*, char* const[])>("execv")(path, arguments); });
}
BERTH_INTERPOSED int execvp(const char* file, char* const arguments[]) {
  return execute(nullptr, [=] { return next_of<int(const char*, char* const[])>("execvp")(file, arguments); });
}
BERTH_INTERPOSED int execvpe(const char* file, char* const arguments[], char* const environment[]) {
  using Exec = int(const char*, char* const[], char* const[]);
  return execute(nullptr, [=] { return next_of<Exec>("execvpe")(file, arguments, environment); });
}
BERTH_INTERPOSED int fexecve(int file, char* const arguments[], char* const environment[]) {
  using Exec = int(int, char* const[], char* const[]);
  return execute(nullptr, [=] { return next_of<Exec>("fexecve")(file, arguments, environment); });
}

}  // extern "C"
