// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Pointers into a plugin that the system holds, and what it would do with them after an unload. What can be seen is
// refused; and Berth itself uses none that it has not seen.
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <csignal>
#include <cstring>
#include <functional>
#include <semaphore>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "host_fixtures.hpp"
#include "support/catch.hpp"
#include "support/in_child.hpp"

using namespace berth::tests;
using Outcome = berth::UnloadReport::Outcome;

namespace {

enum { kStatic, kInstance, kStaticBySystemCall };

stack_t set_stack(void* memory, std::size_t bytes) {
  stack_t stack = {};
  stack_t previous = {};
  stack.ss_sp = memory;
  stack.ss_size = bytes;
  stack.ss_flags = memory == nullptr ? SS_DISABLE : 0;
  ::sigaltstack(&stack, &previous);
  return previous;
}

// Catch2 has one of its own for the calling thread.
class KeepsStack {
 public:
  KeepsStack() { ::sigaltstack(nullptr, &before_); }
  KeepsStack(const KeepsStack&) = delete;
  KeepsStack& operator=(const KeepsStack&) = delete;
  ~KeepsStack() { restore(); }
  void restore() const { ::sigaltstack(&before_, nullptr); }

 private:
  stack_t before_;
};

// A thread that does as it is told, asleep or running in between.
class Hand {
 public:
  enum Manner { Sleeps, Runs };
  explicit Hand(Manner manner) : thread_([this, manner] { work(manner); }) {}
  Hand(const Hand&) = delete;
  Hand& operator=(const Hand&) = delete;
  ~Hand() {
    tell({});
    thread_.join();
  }

  void tell(std::function<void()> act) {
    act_ = std::move(act);
    told_ = true;
    wake_.release();
    done_.acquire();
  }

 private:
  void work(Manner manner) {
    for (;;) {
      if (manner == Sleeps) wake_.acquire();
      while (manner == Runs && !told_) {
      }
      if (manner == Runs) wake_.acquire();
      told_ = false;
      const std::function<void()> act = std::move(act_);
      if (act) act();
      const bool last = !act;
      done_.release();
      if (last) return;
    }
  }

  std::function<void()> act_;
  std::atomic<bool> told_ = false;
  std::binary_semaphore wake_{0};
  std::binary_semaphore done_{0};
  std::thread thread_;  // last: it uses the others
};

void check_refused(berth::Host& host, berth::Plugin& plugin, berth::Cause why, const std::vector<std::string>& named) {
  const berth_process_statistics before = ledger();
  berth::Error error;
  host.unload(std::move(plugin), error);
  CAPTURE(error.text());
  REQUIRE(plugin);
  CHECK(error.status() == BERTH_ERR_BUSY);
  CHECK(error.why() == why);
  for (const std::string& part : named) CHECK(contains(error.text(), part));
  CHECK(same(ledger(), before));
}

}  // namespace

TEST_CASE("the calling thread's alternate stack in a plugin is named") {
  const KeepsStack keeper;
  berth::Host host;
  const berth_process_statistics before = ledger();
  for (const auto& [which, place] :
       {std::pair(kStatic, "lends.so"), {kStaticBySystemCall, "lends.so"}, {kInstance, "the memory of its instance"}}) {
    CAPTURE(which);
    berth::Plugin plugin = host.load(fixture("lends"));
    REQUIRE(plugin.symbol<bool(int)>("lends_stack")(which));
    check_refused(host, plugin, berth::Cause::SignalHandler, {"the calling thread", "sigaltstack", place});
    keeper.restore();
    CHECK(host.unload(std::move(plugin)).outcome == Outcome::Destroyed);
  }
  CHECK(same(ledger(), before));
}

TEST_CASE("another thread's alternate stack in a plugin is named, asleep or running") {
  if (kSanitized) return;  // a sanitizer gives each thread one of its own, and looks after it
  berth::Host host;
  const berth_process_statistics before = ledger();
  for (const Hand::Manner manner : {Hand::Sleeps, Hand::Runs}) {
    for (const int which : {kStatic, kInstance, kStaticBySystemCall}) {
      CAPTURE(manner, which);
      Hand hand(manner);
      berth::Plugin plugin = host.load(fixture("lends"));
      auto* lend = plugin.symbol<bool(int)>("lends_stack");
      hand.tell([&] { lend(which); });
      check_refused(host, plugin, berth::Cause::SignalHandler, {"thread ", "sigaltstack"});
      hand.tell([] { set_stack(nullptr, 0); });
      CHECK(host.unload(std::move(plugin)).outcome == Outcome::Destroyed);
    }
  }
  CHECK(same(ledger(), before));
}

TEST_CASE("an alternate stack in a plugin whose Plugin ends is waited for") {
  const KeepsStack keeper;
  berth::Host host;
  const berth_process_statistics before = ledger();
  {
    const berth::Plugin plugin = host.load(fixture("lends"));
    REQUIRE(plugin.symbol<bool(int)>("lends_stack")(kInstance));
  }
  CHECK(host.zombies() == 1);
  CHECK(host.reap().empty());
  keeper.restore();
  CHECK(host.reap().size() == 1);
  CHECK(same(ledger(), before));
}

TEST_CASE("a stack that a plugin only borders on is nobody's business") {
  const KeepsStack keeper;
  berth::Host host;
  berth::Plugin plugin = host.load(fixture("lends"));
  std::vector<char> memory(65536);
  set_stack(memory.data(), memory.size());
  CHECK(host.unload(std::move(plugin)).outcome == Outcome::Destroyed);
}

#if !defined(__SANITIZE_THREAD__)  // see in_child.hpp
namespace {

// Unloads it while the hand sleeps: who does not is asked, and tells.
void unload_unseen(berth::Host& host, berth::Plugin plugin) {
  berth::Error error;
  while (plugin) {
    if (host.unload(std::move(plugin), error).outcome == Outcome::Destroyed) return;
  }
}

// Has the hand run until the plugin has been unloaded.
berth::UnloadReport unload_beside_running(berth::Host& host, berth::Plugin& plugin, Hand& hand,
                                          const std::function<void()>& before) {
  std::atomic<bool> running = false;
  std::atomic<bool> leave = false;
  std::thread teller([&] {
    hand.tell([&] {
      before();
      running = true;
      while (!leave) {
      }
    });
  });
  while (!running) std::this_thread::yield();
  berth::Error error;
  const berth::UnloadReport report = host.unload(std::move(plugin), error);
  leave = true;
  teller.join();
  return report;
}

constexpr std::size_t kStackBytes = 65536;

}  // namespace

TEST_CASE("nobody is asked on a stack that has left with a plugin") {
  if (kSanitized) return;  // as above
  for (const Hand::Manner at_second : {Hand::Sleeps, Hand::Runs}) {
    const Ending ending = in_child([&] {
      berth::Host host;
      berth::Plugin first =
          host.load(fixture("minimal"));  // whose code knows nothing of stacks: the host lends its own
      berth::Plugin second = host.load(fixture("lingers"));
      void* const memory = berth_malloc(first.allocator(), kStackBytes);
      Hand hand(Hand::Sleeps);
      hand.tell([&] {
        set_stack(memory, kStackBytes);
        second.symbol<int(int)>("lingers_descend")(100);  // a reason to ask it
      });
      unload_unseen(host, std::move(first));
      berth::Error error;
      const berth::UnloadReport report = at_second == Hand::Runs ? unload_beside_running(host, second, hand, [] {})
                                                                 : host.unload(std::move(second), error);
      _exit(report.outcome == Outcome::Destroyed ? 0 : 1);
    });
    CAPTURE(at_second, ending.text);
    CHECK(ending.status == 0);
  }
}

TEST_CASE("a runtime whose own stacks are too small for handlers is asked on its alternate ones") {
  if (kSanitized) return;  // as above
  const Ending ending = in_child([] {
    struct sigaction action = {};
    action.sa_handler = [](int) {};
    action.sa_flags = SA_ONSTACK | SA_RESTART;
    ::sigaction(SIGURG, &action, nullptr);  // as Go's does
    berth::Host host;
    constexpr char kUntouched = 0x5a;
    std::vector<char> memory(kStackBytes, kUntouched);
    Hand hand(Hand::Sleeps);
    unload_unseen(host, host.load(fixture("minimal")));
    berth::Plugin plugin = host.load(fixture("lingers"));
    const berth::UnloadReport report =
        unload_beside_running(host, plugin, hand, [&] { set_stack(memory.data(), memory.size()); });
    if (report.outcome != Outcome::Destroyed) _exit(1);
    _exit(std::any_of(memory.begin(), memory.end(), [](char byte) { return byte != kUntouched; }) ? 0 : 2);
  });
  CAPTURE(ending.text);
  CHECK(ending.status == 0);
}
#endif

TEST_CASE("a handler in a plugin's own memory is named, and so is what a handler returns to") {
  berth::Host host;
  berth::Plugin plugin = host.load(fixture("lends"));
  void* const code = berth_malloc(plugin.allocator(), 64);
  struct sigaction before;
  struct sigaction action = {};
  std::memcpy(&action.sa_handler, &code, sizeof(code));  // as a plugin that compiles at run time does
  REQUIRE(::sigaction(SIGUSR2, &action, &before) == 0);
  check_refused(host, plugin, berth::Cause::SignalHandler, {"SIGUSR2", "the memory of its instance"});
  ::sigaction(SIGUSR2, &before, nullptr);

  struct {
    void (*handler)(int);
    unsigned long flags;
    void* restorer;
    unsigned long mask;
  } kernel = {[](int) {}, 0x04000000 /* SA_RESTORER */, reinterpret_cast<void*>(plugin.symbol<bool()>("lends_timer")),
              0};
  REQUIRE(::syscall(SYS_rt_sigaction, SIGUSR2, &kernel, nullptr, sizeof(kernel.mask)) == 0);
  check_refused(host, plugin, berth::Cause::SignalHandler, {"SIGUSR2", "returns to", "lends.so"});
  ::sigaction(SIGUSR2, &before, nullptr);
  CHECK(host.unload(std::move(plugin)).outcome == Outcome::Destroyed);
}

TEST_CASE("a handler that Berth's own calls in turn is named") {
  if (kSanitized) return;  // which has handlers of its own for faults
  berth::Host host;
  berth::Plugin plugin = host.load(fixture("lingers"));
  struct sigaction before;
  ::sigaction(SIGBUS, nullptr, &before);
  plugin.symbol<void(int)>("lingers_handle")(SIGBUS);
  REQUIRE(berth_fault_handler_install() == BERTH_OK);
  check_refused(host, plugin, berth::Cause::SignalHandler, {"SIGBUS", "lingers.so"});
  REQUIRE(berth_fault_handler_remove() == BERTH_OK);
  ::sigaction(SIGBUS, &before, nullptr);
  CHECK(host.unload(std::move(plugin)).outcome == Outcome::Destroyed);
}

TEST_CASE("a timer that calls a plugin is named") {
  if (::access("/proc/self/timers", R_OK) != 0) {
    WARN("this system does not list timers: not tested");
    return;
  }
  berth::Host host;
  berth::Plugin plugin = host.load(fixture("lends"));
  REQUIRE(plugin.symbol<bool()>("lends_timer")());
  check_refused(host, plugin, berth::Cause::SignalHandler, {"a timer", "lends.so"});
  plugin.symbol<void()>("lends_no_timer")();
  CHECK(host.unload(std::move(plugin)).outcome == Outcome::Destroyed);
}

TEST_CASE("a robust mutex of a plugin that a thread holds is named with the thread") {
  berth::Host host;
  berth::Plugin plugin = host.load(fixture("lends"));
  REQUIRE(plugin.symbol<bool()>("lends_mutex")());
  check_refused(host, plugin, berth::Cause::ThreadInside, {"the calling thread", "robust mutex", "lends.so"});
  plugin.symbol<void()>("lends_no_mutex")();
  {
    Hand hand(Hand::Sleeps);
    hand.tell([&] { plugin.symbol<bool()>("lends_mutex")(); });
    check_refused(host, plugin, berth::Cause::ThreadInside, {"thread ", "robust mutex", "lends.so"});
    hand.tell([&] { plugin.symbol<void()>("lends_no_mutex")(); });
  }
  CHECK(host.unload(std::move(plugin)).outcome == Outcome::Destroyed);
}
