// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Unload while somebody is still inside: a thread that sleeps, runs, or was started by the plugin, and a signal's
// handler. Each is named, nothing is changed, and once it has left the plugin can be unloaded.
#include <pthread.h>
#include <semaphore.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <csignal>
#include <functional>
#include <memory>
#include <optional>
#include <semaphore>
#include <thread>
#include <vector>

#include "host_fixtures.hpp"
#include "support/catch.hpp"
#include "support/in_child.hpp"

using namespace berth::tests;
using namespace std::chrono_literals;
using Outcome = berth::UnloadReport::Outcome;

namespace {

// A thread with a name that does some work; what it waits for is a semaphore, so that it sleeps.
class Worker {
 public:
  explicit Worker(std::function<void(Worker&)> work)
      : thread_([this, run = std::move(work)] {
          ::pthread_setname_np(::pthread_self(), "the worker");
          id_ = static_cast<pid_t>(::syscall(SYS_gettid));
          run(*this);
        }) {
    arrived_.acquire();
  }
  ~Worker() { leave(); }

  // By the worker: tells the test that it is where it should be, and waits to be let go.
  void arrive() { arrived_.release(); }
  void stay() { may_leave_.acquire(); }
  static void arrive_and_stay(void* worker) {
    static_cast<Worker*>(worker)->arrive();
    static_cast<Worker*>(worker)->stay();
  }

  void let_go() { may_leave_.release(); }
  void leave() {
    if (!thread_.joinable()) return;
    let_go();
    thread_.join();
  }
  std::string id() const { return std::to_string(id_); }

 private:
  std::binary_semaphore arrived_{0};
  std::binary_semaphore may_leave_{0};
  pid_t id_ = 0;
  std::thread thread_;  // last: it uses the others
};

using Callback = void (*)(void*);
using CallFunction = int(Callback, void*);

void check_refused(berth::Host& host, berth::Plugin& plugin, berth::Cause why, const std::vector<std::string>& named) {
  const berth_process_statistics before = ledger();
  berth::Error error;
  const berth::UnloadReport report = host.unload(std::move(plugin), error);
  CAPTURE(error.text());
  CHECK(report.outcome == Outcome::Refused);
  CHECK(error.status() == BERTH_ERR_BUSY);
  CHECK(error.why() == why);
  for (const std::string& part : named) CHECK(contains(error.text(), part));
  REQUIRE(plugin);
  CHECK(plugin.lease());
  CHECK(plugin.symbol<int(int)>("lingers_descend")(0) == 0);
  CHECK(same(ledger(), before));
}

bool is_default(int signal) {
  struct sigaction action;
  return ::sigaction(signal, nullptr, &action) == 0 && action.sa_handler == SIG_DFL;
}

}  // namespace

TEST_CASE("a thread that sleeps inside is named, and can leave") {
  berth::Host host;
  const berth_process_statistics before = ledger();
  berth::Plugin plugin = host.load(fixture("lingers"));
  auto* call = plugin.symbol<CallFunction>("lingers_call");
  Worker worker([&](Worker& self) { call(&Worker::arrive_and_stay, &self); });
  check_refused(host, plugin, berth::Cause::ThreadInside,
                {"\"the worker\"", worker.id(), "is executing in lingers.so", "lingers ("});
  worker.leave();
  CHECK(host.unload(std::move(plugin)).outcome == Outcome::Destroyed);
  CHECK_FALSE(is_mapped("lingers"));
  CHECK(same(ledger(), before));
}

TEST_CASE("a thread that runs inside is named") {
  berth::Host host;
  berth::Plugin plugin = host.load(fixture("lingers"));
  auto* spin = plugin.symbol<int(std::atomic<bool>*, std::atomic<bool>*)>("lingers_spin");
  std::atomic<bool> entered = false;
  std::atomic<bool> leave = false;
  std::thread spinner([&] { spin(&entered, &leave); });
  while (!entered) std::this_thread::yield();
  check_refused(host, plugin, berth::Cause::ThreadInside, {"executing in"});
  leave = true;
  spinner.join();
  CHECK(host.unload(std::move(plugin)).outcome == Outcome::Destroyed);
}

TEST_CASE("a thread of the plugin's own counts, until it has ended") {
  berth::Host host;
  berth::Plugin plugin = host.load(fixture("lingers"));
  sem_t stop;
  ::sem_init(&stop, 0, 0);
  REQUIRE(plugin.symbol<bool(sem_t*)>("lingers_start_thread")(&stop));
  check_refused(host, plugin, berth::Cause::ThreadInside, {"executing in lingers.so"});
  ::sem_post(&stop);
  plugin.symbol<void()>("lingers_join_thread")();
  CHECK(host.unload(std::move(plugin)).outcome == Outcome::Destroyed);
}

TEST_CASE("a thread that has just been started is inside, whether it has run yet or not") {
  if (kSanitized) {
    WARN("a sanitizer starts threads by a routine of its own, which hides the plugin's: not tested");
    return;
  }
  constexpr int kRounds = 200;
  berth::Host host;
  for (const auto& [start, joins] :
       {std::pair("lingers_just_start_thread", true), {"lingers_start_cxx_thread", false}}) {
    for (int round = 0; round < kRounds; ++round) {
      CAPTURE(start, round);
      berth::Plugin plugin = host.load(fixture("lingers"));
      sem_t stop;
      ::sem_init(&stop, 0, 0);
      REQUIRE(plugin.symbol<bool(sem_t*)>(start)(&stop));
      berth::Error error;
      REQUIRE(host.unload(std::move(plugin), error).outcome == Outcome::Refused);
      REQUIRE(error.why() == berth::Cause::ThreadInside);
      ::sem_post(&stop);
      if (joins) plugin.symbol<void()>("lingers_join_thread")();
      REQUIRE(host.unload(std::move(plugin), 10min, error).outcome == Outcome::Destroyed);
    }
  }
}

TEST_CASE("a thread whose argument leads into the plugin is about to enter it") {
  if (kSanitized) return;  // as above
  static sem_t stop;
  ::sem_init(&stop, 0, 0);
  berth::Host host;
  berth::Plugin plugin = host.load(fixture("lingers"));
  pthread_t thread;
  const auto wait_outside = [](void*) -> void* {
    while (::sem_wait(&stop) != 0) {
    }
    return nullptr;
  };
  REQUIRE(::pthread_create(&thread, nullptr, wait_outside, plugin.symbol<void*()>("lingers_work")()) == 0);
  check_refused(host, plugin, berth::Cause::ThreadInside, {"executing in lingers.so"});
  ::sem_post(&stop);
  ::pthread_join(thread, nullptr);
  CHECK(host.unload(std::move(plugin)).outcome == Outcome::Destroyed);
}

TEST_CASE("unload from a callback of the plugin is refused") {
  berth::Host host;
  berth::Plugin plugin = host.load(fixture("lingers"));
  struct Call {
    berth::Host& host;
    berth::Plugin& plugin;
  } call{host, plugin};
  const auto unload = [](void* context) {
    const auto* inner = static_cast<Call*>(context);
    check_refused(inner->host, inner->plugin, berth::Cause::ThreadInside, {"the calling thread"});
  };
  CHECK(plugin.symbol<CallFunction>("lingers_call")(unload, &call) == 1);
  CHECK(host.unload(std::move(plugin)).outcome == Outcome::Destroyed);
}

TEST_CASE("a thread in a signal's handler, on a stack of its own, is still where it was interrupted") {
  static Worker* interrupted = nullptr;
  struct sigaction previous;
  struct sigaction action = {};
  action.sa_handler = [](int) { Worker::arrive_and_stay(interrupted); };
  action.sa_flags = SA_ONSTACK;
  REQUIRE(::sigaction(SIGUSR2, &action, &previous) == 0);

  berth::Host host;
  berth::Plugin plugin = host.load(fixture("lingers"));
  auto* call = plugin.symbol<CallFunction>("lingers_call");
  std::vector<char> memory(256 * 1024);
  Worker worker([&](Worker& self) {
    interrupted = &self;
    stack_t other = {memory.data(), 0, memory.size()};
    ::sigaltstack(&other, nullptr);
    call([](void*) { ::raise(SIGUSR2); }, nullptr);
    other.ss_flags = SS_DISABLE;
    ::sigaltstack(&other, nullptr);
  });
  check_refused(host, plugin, berth::Cause::ThreadInside, {worker.id(), "executing in lingers.so"});
  worker.leave();
  CHECK(host.unload(std::move(plugin)).outcome == Outcome::Destroyed);
  ::sigaction(SIGUSR2, &previous, nullptr);
}

namespace {

// Calls the plugin, then stays in a frame that covers what the calls have left on the stack. Returns how many words of
// it lie in the plugin.
__attribute__((noinline, no_sanitize("address"))) std::size_t stay_on_stale_words(Worker& worker, std::uintptr_t near,
                                                                                  std::atomic<std::size_t>& stale) {
  std::array<volatile std::uintptr_t, 8192> words;  // not initialised, on purpose
  std::size_t found = 0;
  for (const volatile std::uintptr_t& word : words) found += word - near + 0x1000 < 0x2000 ? 1 : 0;
  stale = found;
  worker.arrive();
  worker.stay();
  return words[0] + found;
}

}  // namespace

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#pragma GCC diagnostic ignored "-Wuninitialized"

TEST_CASE("return addresses that are left on a stack do not count") {
  berth::Host host;
  berth::Plugin plugin = host.load(fixture("lingers"));
  auto* descend = plugin.symbol<int(int)>("lingers_descend");
  std::atomic<std::size_t> stale = 0;
  Worker worker([&](Worker& self) {
    descend(100);
    stay_on_stale_words(self, reinterpret_cast<std::uintptr_t>(descend), stale);
  });
  if (!kSanitized) CHECK(stale > 10);
  const berth::UnloadReport report = host.unload(std::move(plugin));
  CHECK(report.outcome == Outcome::Destroyed);
}

TEST_CASE("a thread that cannot be asked is judged by its stack") {
  berth::Host host;
  berth::Plugin plugin = host.load(fixture("lingers"));
  auto* call = plugin.symbol<CallFunction>("lingers_call");
  const auto block_signals = [] {
    sigset_t all;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_BLOCK, &all, nullptr);
  };
  {
    std::optional<Worker>
        elsewhere;  // not with a sanitizer, whose wide frames leave words of earlier threads as they are
    if (!kSanitized) {
      elsewhere.emplace([&](Worker& self) {
        block_signals();
        Worker::arrive_and_stay(&self);
      });
    }
    Worker worker([&](Worker& self) {
      block_signals();
      call(&Worker::arrive_and_stay, &self);
    });
    check_refused(host, plugin, berth::Cause::ThreadInside, {worker.id(), "may be executing in lingers.so"});
    worker.leave();
    CHECK(host.unload(std::move(plugin)).outcome == Outcome::Destroyed);
  }
}

TEST_CASE("unload waits for a thread to leave, and no longer than it was told") {
  berth::Host host;
  berth::Plugin plugin = host.load(fixture("lingers"));
  auto* call = plugin.symbol<CallFunction>("lingers_call");
  berth::Error error;
  Worker worker([&](Worker& self) { call(&Worker::arrive_and_stay, &self); });
  const auto start = std::chrono::steady_clock::now();
  CHECK(host.unload(std::move(plugin), 20ms, error).outcome == Outcome::Refused);
  CHECK(error.status() == BERTH_ERR_TIMEOUT);
  CHECK(error.why() == berth::Cause::ThreadInside);
  CHECK(contains(error.text(), "20 ms"));
  CHECK(std::chrono::steady_clock::now() - start >= 20ms);
  CHECK(plugin.lease());

  worker.let_go();
  CHECK(host.unload(std::move(plugin), 10min, error).outcome == Outcome::Destroyed);
  CHECK_FALSE(error);
}

TEST_CASE("a Plugin that is destroyed with a thread inside is left to the Host") {
  berth::Host host;
  const berth_process_statistics before = ledger();
  std::unique_ptr<Worker> worker;
  {
    const berth::Plugin plugin = host.load(fixture("lingers"));
    auto* call = plugin.symbol<CallFunction>("lingers_call");
    worker = std::make_unique<Worker>([call](Worker& self) { call(&Worker::arrive_and_stay, &self); });
  }
  CHECK(host.zombies() == 1);
  CHECK(is_mapped("lingers"));
  CHECK(host.reap().empty());
  CHECK(ledger().instances == before.instances + 1);
  worker->leave();
  const std::vector<berth::UnloadReport> reports = host.reap();
  REQUIRE(reports.size() == 1);
  CHECK(reports[0].outcome == Outcome::Destroyed);
  CHECK_FALSE(is_mapped("lingers"));
  CHECK(same(ledger(), before));
}

TEST_CASE("a plugin that refuses the load and leaves a thread running is kept until that has ended") {
  berth::Host host;
  const berth_process_statistics before = ledger();
  sem_t stop;
  ::sem_init(&stop, 0, 0);
  ::setenv("BERTH_FIXTURE_STOP", std::to_string(reinterpret_cast<std::uintptr_t>(&stop)).c_str(), 1);
  berth::Error error;
  CHECK_FALSE(host.load(fixture("lingers_refuses"), {}, error));
  ::unsetenv("BERTH_FIXTURE_STOP");
  CHECK(error.status() == BERTH_ERR_PLUGIN);
  CHECK(contains(error.text(), "returned 7"));
  CHECK(contains(error.text(), "executing in"));
  CHECK(host.zombies() == 1);
  CHECK(is_mapped("lingers_refuses"));
  ::sem_post(&stop);
  const std::vector<berth::UnloadReport> reports = reap_until_any_leaves(host);
  CHECK(reports[0].outcome == Outcome::Destroyed);
  CHECK(host.zombies() == 0);
  CHECK(same(ledger(), before));
}

TEST_CASE("a signal's handler inside the plugin is named") {
  berth::Host host;
  const berth_process_statistics before = ledger();
  berth::Plugin plugin = host.load(fixture("lingers"));
  for (const auto& [signal, name] : {std::pair(SIGUSR1, "SIGUSR1"), std::pair(SIGRTMIN + 3, "SIGRTMIN+3")}) {
    plugin.symbol<void(int)>("lingers_handle")(signal);
    check_refused(host, plugin, berth::Cause::SignalHandler, {name, "lingers.so"});
    std::signal(signal, SIG_DFL);
  }
  plugin.symbol<void(int)>("lingers_handle")(SIGUSR1);
  plugin = {};
  CHECK(host.zombies() == 1);
  CHECK(host.reap().empty());
  std::signal(SIGUSR1, SIG_DFL);
  CHECK(host.reap().size() == 1);
  CHECK(same(ledger(), before));
}

TEST_CASE("threads are asked without a trace") {
  berth::Host host;
  const int taken = SIGRTMAX - 1;
  std::signal(taken, SIG_IGN);
  berth::Plugin plugin = host.load(fixture("lingers"));
  auto* descend = plugin.symbol<int(int)>("lingers_descend");
  std::atomic<std::size_t> stale = 0;
  std::atomic<bool> leave = false;
  const auto near = reinterpret_cast<std::uintptr_t>(descend);
  Worker sleeper([&](Worker& self) {
    descend(100);
    stay_on_stale_words(self, near, stale);
  });
  std::thread runner([&] {
    descend(100);
    while (!leave) {
    }
  });
  CHECK(host.unload(std::move(plugin)).outcome == Outcome::Destroyed);
  leave = true;
  runner.join();
  for (int signal = SIGRTMIN; signal <= SIGRTMAX; ++signal) {
    CAPTURE(signal);
    if (signal != taken) CHECK(is_default(signal));
  }
  CHECK(std::signal(taken, SIG_DFL) == SIG_IGN);
}

#if !defined(__SANITIZE_THREAD__)  // see in_child.hpp
TEST_CASE("a host that vouches for its threads is believed") {
  for (const bool check : {true, false}) {
    // In a child, because the worker must never return.
    const Ending ending = in_child([&] {
      berth::Host host;
      berth::LoadOptions options;
      options.check_threads = check;
      berth::Plugin plugin = host.load(fixture("lingers"), options);
      auto* call = plugin.symbol<CallFunction>("lingers_call");
      Worker worker([&](Worker& self) { call(&Worker::arrive_and_stay, &self); });
      berth::Error error;
      const berth::UnloadReport report = host.unload(std::move(plugin), error);
      _exit(report.outcome == Outcome::Destroyed ? 10 : error.why() == berth::Cause::ThreadInside ? 20 : 30);
    });
    CAPTURE(check, ending.text);
    REQUIRE(WIFEXITED(ending.status));
    CHECK(WEXITSTATUS(ending.status) == (check ? 20 : 10));
  }
}
#endif
