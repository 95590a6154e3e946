// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Hosts that have locked themselves in: by a filter of system calls, by giving up their user. What can be found out
// another way is; what cannot is said with the name of the call that was refused.
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <semaphore>
#include <thread>
#include <vector>

#include "host_fixtures.hpp"
#include "support/catch.hpp"
#include "support/in_child.hpp"
#include "support/refuse_call.hpp"

using namespace berth::tests;
using Outcome = berth::UnloadReport::Outcome;

#if !defined(__SANITIZE_THREAD__)  // see in_child.hpp

namespace {

// What setuid does: the process's files in /proc are root's.
bool give_up_user() {
  constexpr uid_t kNobody = 65534;
  if (::getuid() == 0 && ::syscall(SYS_setresuid, kNobody, kNobody, kNobody) != 0) return false;
  return ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0;
}

constexpr int kNotPossible = 77;

// Locks itself in and unloads, beside a thread that sleeps outside and one that sleeps in the plugin, if it is to. Who
// is deaf can be judged by his stack alone.
enum class Threads { Answer, Deaf };
template <typename LockIn>
Ending unload_locked_in(LockIn lock_in, bool inside, Threads threads) {
  return in_child([&] {
    berth::Host host;
    berth::Plugin plugin = host.load(fixture("lingers"));
    auto* call = plugin.symbol<int(void (*)(void*), void*)>("lingers_call");
    struct Meeting {
      std::binary_semaphore arrived{0};
      std::binary_semaphore leave{0};
      static void wait(void* meeting) {
        auto* inner = static_cast<Meeting*>(meeting);
        inner->arrived.release();
        inner->leave.acquire();
      }
    } outside_one, inside_one;
    sigset_t all;
    ::sigfillset(&all);
    if (threads == Threads::Deaf) ::pthread_sigmask(SIG_BLOCK, &all, nullptr);  // those that it starts inherit it
    std::thread sleeper([&] { Meeting::wait(&outside_one); });
    std::thread visitor(
        [&] { inside ? static_cast<void>(call(&Meeting::wait, &inside_one)) : Meeting::wait(&inside_one); });
    outside_one.arrived.acquire();
    inside_one.arrived.acquire();
    if (!lock_in()) _exit(kNotPossible);
    berth::Error error;
    const berth::UnloadReport report = host.unload(std::move(plugin), error);
    static_cast<void>(::write(STDERR_FILENO, error.what(), error.text().size()));
    _exit(report.outcome == Outcome::Destroyed ? 10 : static_cast<int>(error.why()) + 20);
  });
}

int refused(berth::Cause why) { return static_cast<int>(why) + 20; }

// False: this system does not let a process lock itself in like that.
bool has_run(const Ending& ending) {
  REQUIRE(WIFEXITED(ending.status));
  if (WEXITSTATUS(ending.status) != kNotPossible) return true;
  WARN("the system does not allow a filter of calls: not tested");
  return false;
}

}  // namespace

TEST_CASE("where memory cannot be read by one call it is read by another way") {
  for (const int error : {EPERM, EACCES, ENOSYS}) {
    for (const bool inside : {false, true}) {
      const Ending ending = unload_locked_in(
          [&] { return refuse_call(SYS_process_vm_readv, static_cast<unsigned>(error)); }, inside, Threads::Deaf);
      if (!has_run(ending)) return;
      CAPTURE(error, inside, ending.text);
      CHECK(WEXITSTATUS(ending.status) == (inside ? refused(berth::Cause::ThreadInside) : 10));
    }
  }
}

TEST_CASE("a host that has given up its user sees who is inside") {
  for (const bool inside : {false, true}) {
    const Ending ending = unload_locked_in(give_up_user, inside, Threads::Answer);
    if (!has_run(ending)) return;
    CAPTURE(inside, ending.text);
    CHECK(WEXITSTATUS(ending.status) == (inside ? refused(berth::Cause::ThreadInside) : 10));
  }
}

TEST_CASE("where memory cannot be read at all, threads are asked, and the calls that were refused are named") {
  const auto lock_in = [] { return give_up_user() && refuse_call(SYS_process_vm_readv, EPERM); };
  const Ending asked = unload_locked_in(lock_in, false, Threads::Answer);
  if (!has_run(asked)) return;
  CHECK(WEXITSTATUS(asked.status) == 10);

  const Ending deaf = unload_locked_in(lock_in, false, Threads::Deaf);
  CAPTURE(deaf.text);
  CHECK(WEXITSTATUS(deaf.status) == refused(berth::Cause::ThreadInside));
  CHECK(contains(deaf.text, "process_vm_readv: Operation not permitted"));
  CHECK(contains(deaf.text, "/proc/thread-self/mem: Permission denied"));
  CHECK(contains(deaf.text, "lingers ("));
}

TEST_CASE("where threads cannot be asked, the call that was refused is named") {
  const Ending ending = in_child([] {
    berth::Host host;
    berth::Plugin plugin = host.load(fixture("lingers"));
    std::atomic<bool> leave = false;
    std::atomic<bool> ready = false;
    std::thread runner([&] {
      ready = true;
      while (!leave) {
      }
    });
    while (!ready) std::this_thread::yield();
    if (!refuse_call(SYS_rt_tgsigqueueinfo, EPERM)) _exit(kNotPossible);
    berth::Error error;
    host.unload(std::move(plugin), error);
    static_cast<void>(::write(STDERR_FILENO, error.what(), error.text().size()));
    leave = true;
    runner.join();
    _exit(static_cast<int>(error.why()));
  });
  if (!has_run(ending)) return;
  CAPTURE(ending.text);
  CHECK(WEXITSTATUS(ending.status) == static_cast<int>(berth::Cause::ThreadInside));
  CHECK(contains(ending.text, "rt_tgsigqueueinfo: Operation not permitted"));
}

#endif
