// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
#include "tools/run/hooks.hpp"

#include <dlfcn.h>
#include <pthread.h>
#include <unistd.h>

#include <cstring>

#include "host_api/src/interposed/interposed.hpp"
#include "host_api/src/interposed/operators.hpp"
#include "host_api/src/routing/host_counts.hpp"
#include "host_api/src/routing/real_allocator.hpp"
#include "tools/run/ends.hpp"
#include "tools/run/execs.hpp"
#include "tools/run/follow.hpp"
#include "tools/run/report.hpp"
#include "tools/run/standard_error.hpp"
#include "tools/run/trace.hpp"

namespace berth::run {

constinit Settings settings;
constinit const char* command = "";
constinit pid_t this_process = 0;

}  // namespace berth::run

// What the calling thread has last asked dlopen for. In front of dlopen stands a jump and no call, so that the loader
// sees the real caller, by whose RUNPATH it searches.
extern "C" {
__attribute__((visibility("hidden"))) thread_local int berth_run_open_flags = 0;
__attribute__((visibility("hidden"))) void* berth_run_real_dlopen = nullptr;
__attribute__((visibility("hidden"))) void* berth_run_real_dlclose = nullptr;
__attribute__((visibility("hidden"), used)) void* berth_run_find_dlopen() {
  return berth_run_real_dlopen = dlsym(RTLD_NEXT, "dlopen");
}
__attribute__((visibility("hidden"), used)) void* berth_run_find_dlclose() {
  return berth_run_real_dlclose = dlsym(RTLD_NEXT, "dlclose");
}
}
#if defined(__x86_64__)
__asm__(R"(
  .text
  .globl dlopen
  .type dlopen, @function
dlopen:
  movq berth_run_open_flags@gottpoff(%rip), %rax
  movl %esi, %fs:(%rax)
  movq berth_run_real_dlopen(%rip), %rax
  testq %rax, %rax
  jne 1f
  pushq %rdi
  pushq %rsi
  subq $8, %rsp
  call berth_run_find_dlopen
  addq $8, %rsp
  popq %rsi
  popq %rdi
1:
  jmp *%rax
  .size dlopen, .-dlopen
)");
// In front of dlclose, what calls that have returned have left below the caller's frame is wiped: the loader's frames
// will lie there, and what they have not written yet would be taken for theirs. 4 KiB, of which the loader uses more.
__asm__(R"(
  .text
  .globl dlclose
  .type dlclose, @function
dlclose:
  .cfi_startproc
  leaq -4096(%rsp), %rdx
1:
  movq $0, (%rdx)
  addq $8, %rdx
  cmpq %rsp, %rdx
  jb 1b
  movq berth_run_real_dlclose(%rip), %rax
  testq %rax, %rax
  jne 2f
  pushq %rdi
  .cfi_adjust_cfa_offset 8
  call berth_run_find_dlclose
  popq %rdi
  .cfi_adjust_cfa_offset -8
2:
  jmp *%rax
  .cfi_endproc
  .size dlclose, .-dlclose
)");
#endif

namespace berth::run {

namespace {

void start() {
  this_process = getpid();
  const Start program = find_start();
  command = command_of(program);
  remember_environment(program.environment);
  berth_run_find_dlopen();
  berth_run_find_dlclose();
  routing::real();
  read_settings(find_variable(program, kVariable), settings);
  watch_log();
  routing::look_up_operators();
  watch_ends();
  look_up_execs();
  start_trace();
  routing::start(settings.routing);
}

void* opened(const link_map* module, long name_space) {
  const bool apart = (berth_run_open_flags & RTLD_DEEPBIND) != 0;
  return routing::opened(*module, name_space == LM_ID_BASE, apart);
}

void closing(void* module) { routing::closing(static_cast<routing::Module*>(module)); }

void consistent() {
  berth_run_open_flags = 0;
  routing::consistent();
}

void in_child() {
  routing::after_fork_in_child();
  routing::host_counts::reset();
  this_process = getpid();
  settings.reported_earlier = false;
  begin_trace_again();
}

// After the handlers of the allocator itself, whose locks are taken under ours.
__attribute__((constructor)) void begin() {
  if (berth_run_real_dlopen == nullptr) berth_run_real_dlopen = dlsym(RTLD_NEXT, "dlopen");
  if (berth_run_real_dlclose == nullptr) berth_run_real_dlclose = dlsym(RTLD_NEXT, "dlclose");
  pthread_atfork(routing::before_fork, routing::after_fork_in_parent, in_child);
  if (!settings.follow) leave_environment();
}

}  // namespace

}  // namespace berth::run

extern "C" __attribute__((visibility("default"), used)) const berth::run::Hooks berth_run_hooks = {
    berth::run::start, berth::run::opened, berth::run::closing, berth::run::consistent};
