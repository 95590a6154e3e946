// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Being asked where it stands does a thread no harm, whatever it has made of itself; and the process may have lost its
// first thread.
#include <pthread.h>
#include <sys/auxv.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <optional>
#include <semaphore>
#include <thread>
#include <vector>

#include "host_fixtures.hpp"
#include "support/catch.hpp"
#include "support/in_child.hpp"

using namespace berth::tests;
using Outcome = berth::UnloadReport::Outcome;
using Descend = int(int);

TEST_CASE("a thread with a small stack for its handlers loses nothing below it") {
  berth::Host host;
  berth::Plugin plugin = host.load(fixture("lingers"));
  auto* descend = plugin.symbol<Descend>("lingers_descend");
  constexpr std::size_t kBelow = 16384;
  constexpr char kUntouched = 0x5a;
  const std::size_t size = ::getauxval(AT_MINSIGSTKSZ) + 1024;  // the system's own part, and a small handler's
  std::vector<char> memory(kBelow + size, kUntouched);
  std::atomic<bool> ready = false;
  std::atomic<bool> leave = false;
  std::thread runner([&] {
    stack_t small = {memory.data() + kBelow, 0, size};
    ::sigaltstack(&small, nullptr);
    descend(100);  // what it leaves on the stack is a reason to ask
    ready = true;
    while (!leave) {
    }
    small.ss_flags = SS_DISABLE;
    ::sigaltstack(&small, nullptr);
  });
  while (!ready) std::this_thread::yield();
  berth::Error error;
  host.unload(std::move(plugin), error);
  leave = true;
  runner.join();
  CAPTURE(error.text());
  CHECK(error.why() == berth::Cause::ThreadInside);
  CHECK(std::all_of(memory.begin(), memory.begin() + kBelow, [](char byte) { return byte == kUntouched; }));
  CHECK(std::any_of(memory.begin() + kBelow, memory.end(), [](char byte) { return byte != kUntouched; }));
  CHECK(host.unload(std::move(plugin)).outcome == Outcome::Destroyed);
}

#if !defined(__SANITIZE_THREAD__)  // see in_child.hpp
TEST_CASE("a thread that is cancelled while it is asked ends afterwards") {
  if (kSanitized) return;
  constexpr int kRounds = 200;
  const Ending ending = in_child([] {
    berth::Host host;
    for (int round = 0; round < kRounds; ++round) {
      berth::Plugin plugin = host.load(fixture("lingers"));
      struct Work {
        std::atomic<bool> ready;  // first: a function there would be what the thread is about to call
        Descend* descend;
      } work{false, plugin.symbol<Descend>("lingers_descend")};
      const auto run = [](void* context) -> void* {
        ::pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, nullptr);
        auto* inner = static_cast<Work*>(context);
        inner->descend(100);
        inner->ready = true;
        for (volatile bool forever = true; forever;) {
        }
        return nullptr;
      };
      pthread_t thread;
      if (::pthread_create(&thread, nullptr, run, &work) != 0) _exit(1);
      while (!work.ready) std::this_thread::yield();
      std::thread canceller([&] {
        const auto moment = std::chrono::steady_clock::now() + round * std::chrono::microseconds(3);
        while (std::chrono::steady_clock::now() < moment) {
        }
        ::pthread_cancel(thread);
      });
      berth::Error error;
      host.unload(std::move(plugin), error);
      canceller.join();
      ::pthread_join(thread, nullptr);
      if (error) {
        static_cast<void>(::write(STDERR_FILENO, error.what(), error.text().size()));
        _exit(2);
      }
    }
  });
  CAPTURE(ending.text);
  CHECK(ending.status == 0);
}

TEST_CASE("threads are looked at when the first one has ended") {
  const Ending ending = in_child([] {
    static berth::Host host;
    static std::optional<berth::Plugin> plugin = host.load(fixture("lingers"));
    static std::binary_semaphore never(0);
    std::thread([] {
      sigset_t all;
      ::sigfillset(&all);
      ::pthread_sigmask(SIG_BLOCK, &all, nullptr);  // its stack alone can tell
      never.acquire();
    }).detach();
    std::thread([first = ::getpid()] {
      char byte = 0;
      const iovec whole = {&byte, 1};
      while (::process_vm_readv(first, &whole, 1, &whole, 1, 0) == 1) std::this_thread::yield();  // until it has ended
      berth::Error error;
      const berth::UnloadReport report = host.unload(std::move(*plugin), error);
      static_cast<void>(::write(STDERR_FILENO, error.what(), error.text().size()));
      _exit(report.outcome == Outcome::Destroyed ? 0 : 1);
    }).detach();
    ::syscall(SYS_exit, 0);  // of this thread alone
  });
  CAPTURE(ending.text);
  CHECK(ending.status == 0);
}
#endif
