// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Who ends an instance sleeps until nobody has it pinned: one that spun would, at real-time priority, keep the holder
// of a pin from its processor. And what a fork cuts off counts for nothing in the child.
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include "allocator/blocks/guarded_blocks.hpp"
#include "allocator/instance.hpp"
#include "allocator/misuse/departed.hpp"
#include "allocator/registry.hpp"
#include "berth/instance.hpp"
#include "host_api/src/c_abi/instance_handle.hpp"
#include "support/catch.hpp"
#include "support/in_child.hpp"
#include "support/scaled.hpp"
#include "support/system_call_of.hpp"

using namespace berth;
using namespace berth::core;

namespace {

// A line of the registry for a span that is never touched.
struct Entry {
  explicit Entry(std::uintptr_t base) : claim(registry::claim("pinned")) {
    REQUIRE(claim.line != registry::kNoLine);
    registry::publish(claim.line, reinterpret_cast<core::Instance*>(base), reinterpret_cast<char*>(base), 4096);
  }
  registry::Claim claim;
};

}  // namespace

TEST_CASE("who ends an instance sleeps while others have it pinned") {
  if (!tests::system_calls_are_told()) return;
  const std::size_t pins = GENERATE(std::size_t{1}, std::size_t{3});
  Entry entry(0x300000000000);
  std::vector<std::unique_ptr<registry::Pin>> held;
  for (std::size_t i = 0; i < pins; ++i) held.push_back(std::make_unique<registry::Pin>(entry.claim.handle));
  REQUIRE(held.front()->instance() != nullptr);
  std::atomic<pid_t> destroyer{0};
  std::atomic<bool> gone{false};
  std::thread ends([&] {
    // Real-time where that is allowed: then nothing but sleep lets the others run.
    const sched_param priority = {1};
    ::sched_setscheduler(0, SCHED_FIFO, &priority);
    destroyer = static_cast<pid_t>(::syscall(SYS_gettid));
    std::uint32_t line = 0;
    if (registry::retire(entry.claim.handle, line) != nullptr) registry::vacate(line);
    gone = true;
  });
  while (destroyer == 0) std::this_thread::yield();
  while (!held.empty()) {
    CHECK(tests::comes_to_sleep_in(destroyer, SYS_futex));
    CHECK_FALSE(gone);
    held.pop_back();
  }
  ends.join();
  CHECK(gone);
}

TEST_CASE("the last pin that goes is never missed") {
  bool fine = true;
  for (std::size_t round = 0; round < tests::scaled_meetings(2000); ++round) {
    Entry entry(0x310000000000);
    std::atomic<bool> go{false};
    std::array<std::thread, 3> pinners;
    for (std::thread& thread : pinners) {
      thread = std::thread([&] {
        while (!go) {
        }
        for (int i = 0; i < 20; ++i) const registry::Pin pin(entry.claim.handle);
      });
    }
    go = true;
    std::uint32_t line = 0;
    fine = registry::retire(entry.claim.handle, line) != nullptr && fine;
    registry::vacate(line);
    for (std::thread& thread : pinners) thread.join();
  }
  CHECK(fine);
}

#if !defined(__SANITIZE_THREAD__)  // see in_child.hpp

TEST_CASE("a forked child counts the runs of the instances that it has") {
  const auto make = [](const char* name) {
    berth_instance_options with{};
    with.struct_size = sizeof(with);
    with.name = name;
    with.span_bytes = std::size_t{256} << 20;
    with.hardening = BERTH_HARDENING_GUARDED;
    with.flags = BERTH_INSTANCE_GUARD_RATE(1);
    berth_instance* instance = nullptr;
    REQUIRE(berth_instance_create(&with, &instance) == BERTH_OK);
    for (int i = 0; i < 50; ++i) REQUIRE(berth_malloc(berth_instance_allocator(instance), 100) != nullptr);
    // A run that is moved: what lies behind it is taken.
    Arena& arena = registry::resolve(to_handle(instance))->arena;
    char* const run = arena.allocate(512, 1).address;
    REQUIRE(run != nullptr);
    REQUIRE(arena.allocate(512, 1).address != nullptr);
    arena.relocate(run, 2048, false);
    return instance;
  };
  REQUIRE(guarded_blocks::runs_of_process() == 0);
  REQUIRE(Arena::moved_runs_of_process() == 0);
  berth_instance* const kept = make("kept");
  const std::uint32_t runs = guarded_blocks::runs_of_process();
  const std::uint32_t moved = Arena::moved_runs_of_process();
  CHECK(runs >= 50);
  berth_instance* const cut_off = make("cut off");
  CHECK(guarded_blocks::runs_of_process() > runs);
  // A thread is in the midst of its destruction when the fork comes.
  core::Instance* const dying = registry::resolve(to_handle(cut_off));
  std::uint32_t line = 0;
  REQUIRE(registry::retire(to_handle(cut_off), line) == dying);
  const auto ending = tests::in_child([&] {
    if (guarded_blocks::runs_of_process() != runs) _exit(1);
    if (Arena::moved_runs_of_process() != moved) _exit(2);
    if (berth_instance_destroy(kept, nullptr) != BERTH_OK) _exit(3);
    if (guarded_blocks::runs_of_process() != 0 || Arena::moved_runs_of_process() != 0) _exit(4);
  });
  CHECK(ending.status == 0);
  guarded_blocks::close(*dying);
  std::size_t returned = 0;
  CHECK(departed::bury(*dying, "cut off", returned) == ledger::Release::Done);
  registry::vacate(line);
  CHECK(berth_instance_destroy(kept, nullptr) == BERTH_OK);
  CHECK(guarded_blocks::runs_of_process() == 0);
  CHECK(Arena::moved_runs_of_process() == 0);
}

#endif
