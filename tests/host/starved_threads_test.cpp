// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Threads that get no processor: they are outside all the same, and only need time to say so.
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <csignal>
#include <thread>
#include <vector>

#include "host_fixtures.hpp"
#include "support/catch.hpp"
#include "support/in_child.hpp"

using namespace berth::tests;
using Outcome = berth::UnloadReport::Outcome;

#if !defined(__SANITIZE_THREAD__)  // see in_child.hpp

namespace {

// The processor that the calling thread runs on, to be shared with others.
cpu_set_t this_processor() {
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(static_cast<std::size_t>(::sched_getcpu()), &one);
  return one;
}

// A process that leaves threads of the lowest kind next to nothing of a processor.
class Glutton {
 public:
  explicit Glutton(const cpu_set_t& where) : process_(::fork()) {
    if (process_ != 0) return;
    ::sched_setaffinity(0, sizeof(where), &where);
    for (volatile bool forever = true; forever;) {
    }
    _exit(0);
  }
  Glutton(const Glutton&) = delete;
  Glutton& operator=(const Glutton&) = delete;
  ~Glutton() {
    ::kill(process_, SIGKILL);
    ::waitpid(process_, nullptr, 0);
  }

 private:
  pid_t process_;
};

// Runs outside every plugin, whenever it gets the processor.
void run_starved(const cpu_set_t& where, const std::atomic<bool>& leave, std::atomic<bool>& ready) {
  const sched_param none = {};
  ::sched_setaffinity(0, sizeof(where), &where);
  ::pthread_setschedparam(::pthread_self(), SCHED_IDLE, &none);
  ready = true;
  while (!leave) {
  }
}

// What an unload makes of a thread like that. In a child, whose end takes the thread along.
template <typename Unload>
Ending unload_beside_starved(Unload unload) {
  return in_child([&] {
    berth::Host host;
    std::atomic<bool> leave = false;
    std::atomic<bool> ready = false;
    const cpu_set_t where = this_processor();
    std::thread starved([&] { run_starved(where, leave, ready); });
    while (!ready) std::this_thread::yield();
    int status = 0;
    {
      const std::array<Glutton, 3> gluttons = {Glutton(where), Glutton(where), Glutton(where)};
      status = unload(host);
    }
    leave = true;
    starved.join();
    _exit(status);
  });
}

int tell(const berth::UnloadReport& report) {
  static_cast<void>(::write(STDERR_FILENO, report.cause.data(), report.cause.size()));
  return report.outcome == Outcome::Destroyed ? 0 : 1;
}

}  // namespace

TEST_CASE("a starved thread that is outside delays an unload, and does not prevent it") {
  const Ending ending = unload_beside_starved([](berth::Host& host) {
    berth::Error error;
    return tell(host.unload(host.load(fixture("lingers")), error));
  });
  CAPTURE(ending.text);
  CHECK(ending.status == 0);
}

TEST_CASE("a starved thread makes no zombie of a plugin that was told of its end") {
  const Ending ending = unload_beside_starved([](berth::Host& host) {
    { const berth::Plugin plugin = host.load(fixture("calls_back")); }  // it has a berth_detach
    return static_cast<int>(host.zombies());
  });
  CAPTURE(ending.text);
  CHECK(ending.status == 0);
}

TEST_CASE("a starved thread does not hide a plugin's own refusal") {
  const Ending ending = unload_beside_starved([](berth::Host& host) {
    berth::Error error;
    static_cast<void>(host.load(fixture("attach_fails"), {}, error));
    static_cast<void>(::write(STDERR_FILENO, error.what(), error.text().size()));
    return error.status() == BERTH_ERR_PLUGIN && !contains(error.text(), "its instance is kept") ? 0 : 1;
  });
  CAPTURE(ending.text);
  CHECK(ending.status == 0);
}

TEST_CASE("a thread that gets its processor and blocks every signal is not waited for") {
  const Ending ending = in_child([] {
    berth::Host host;
    berth::Plugin plugin = host.load(fixture("lingers"));
    std::atomic<bool> leave = false;
    std::atomic<bool> ready = false;
    std::thread deaf([&] {
      sigset_t all;
      ::sigfillset(&all);
      ::pthread_sigmask(SIG_BLOCK, &all, nullptr);
      ready = true;
      while (!leave) {
      }
    });
    while (!ready) std::this_thread::yield();
    berth::Error error;
    const berth::UnloadReport report = host.unload(std::move(plugin), error);
    leave = true;
    deaf.join();
    _exit(report.outcome == Outcome::Refused && error.why() == berth::Cause::ThreadInside ? 0 : 1);
  });
  CHECK(ending.status == 0);
}

#endif
