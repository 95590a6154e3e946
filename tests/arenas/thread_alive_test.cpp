// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Who is dead, asked by a process that may not ask by signals: another way is taken where the system offers one, and
// who cannot be asked for lives.
#include <sched.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <latch>
#include <thread>

#include "arenas/pal/pal.hpp"
#include "support/catch.hpp"
#include "support/in_child.hpp"
#include "support/refuse_call.hpp"

using namespace berth;
using berth::tests::in_child;
using berth::tests::refuse_call;

#if !defined(__SANITIZE_THREAD__)  // see in_child.hpp

namespace {

constexpr int kNotPossible = 77;

struct Refusal {
  long call;
  unsigned error;
};

// Asks for a thread that lives and for one that has ended. 0: as expected.
int ask(bool dead_are_known) {
  std::latch told(2);
  std::latch asked(1);
  pal::ThreadId living = 0;
  pal::ThreadId ended = 0;
  std::thread stays([&] {
    living = pal::thread_id();
    told.count_down();
    asked.wait();
  });
  std::thread([&] {
    ended = pal::thread_id();
    told.count_down();
  }).join();
  told.wait();
  int wrong = 0;
  errno = EDOM;
  if (!pal::thread_alive(pal::thread_id())) wrong = 1;
  if (!pal::thread_alive(living)) wrong = 2;
  // A joined thread has told its joiner from the kernel's own end of it, and is listed a moment longer.
  for (int look = 0; dead_are_known && pal::thread_alive(ended); ++look) {
    if (look == 100000) wrong = 3;
    if (wrong != 0) break;
    ::sched_yield();
  }
  if (!dead_are_known && !pal::thread_alive(ended)) wrong = 4;
  if (errno != EDOM) wrong = 5;
  asked.count_down();
  stays.join();
  return wrong;
}

void check(std::initializer_list<Refusal> refusals, bool dead_are_known) {
  const auto ending = in_child([&] {
    for (const Refusal& refusal : refusals) {
      if (!refuse_call(refusal.call, refusal.error)) _exit(kNotPossible);
    }
    _exit(ask(dead_are_known));
  });
  REQUIRE(WIFEXITED(ending.status));
  if (WEXITSTATUS(ending.status) == kNotPossible) {
    WARN("this system has no filters of calls");
    return;
  }
  CHECK(WEXITSTATUS(ending.status) == 0);
}

bool has_proc() { return access("/proc/thread-self", F_OK) == 0; }

}  // namespace

TEST_CASE("a thread that has ended is dead, whatever call may not ask for it", "[refused]") {
  const unsigned error = GENERATE(as<unsigned>(), EPERM, ENOSYS, EACCES, EINVAL);
  CAPTURE(error);
  check({}, true);
  check({{SYS_tgkill, error}}, true);
  check({{SYS_clock_gettime, error}}, true);
  check({{SYS_tgkill, error}, {SYS_clock_gettime, error}}, has_proc());
}

TEST_CASE("who cannot be asked for lives", "[refused]") {
  const unsigned error = GENERATE(as<unsigned>(), EPERM, ENOSYS, EINVAL, ENOENT);
  CAPTURE(error);
  // As where there is no /proc, and as where it may not be looked into.
  check({{SYS_tgkill, EPERM}, {SYS_clock_gettime, ENOSYS}, {SYS_readlinkat, error}}, false);
  if (error != ENOENT) check({{SYS_tgkill, EPERM}, {SYS_clock_gettime, ENOSYS}, {SYS_faccessat, error}}, false);
}

TEST_CASE("another namespace's /proc tells nothing", "[refused]") {
  const auto ending = in_child([] {
    if (::unshare(CLONE_NEWPID) != 0) _exit(kNotPossible);
    const pid_t inside = ::fork();  // the first process of the new namespace; /proc is the old one's
    if (inside == 0) {
      const bool locked_in = refuse_call(SYS_tgkill, EPERM) && refuse_call(SYS_clock_gettime, EPERM);
      _exit(locked_in ? ask(false) : kNotPossible);
    }
    int status = 0;
    _exit(::waitpid(inside, &status, 0) == inside && WIFEXITED(status) ? WEXITSTATUS(status) : 70);
  });
  REQUIRE(WIFEXITED(ending.status));
  if (WEXITSTATUS(ending.status) == kNotPossible) {
    WARN("this user makes no namespaces");
    return;
  }
  CHECK(WEXITSTATUS(ending.status) == 0);
}

#endif
