// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Forks while other threads are inside, anywhere: each child allocates, frees, destroys what it inherited and creates,
// and its books are exact. BERTH_FORKS sets how many (10000 for the whole proof).
#if !defined(__SANITIZE_THREAD__)  // a child of fork runs ThreadSanitizer's runtime with locks that others held

#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <thread>
#include <vector>

#include "crew.hpp"
#include "support/catch.hpp"
#include "support/seed.hpp"

using namespace crew;
using namespace fixtures;

namespace {

constexpr std::size_t kThreads = 8;

std::size_t forks() {
  const char* given = std::getenv("BERTH_FORKS");
  return given != nullptr ? std::strtoul(given, nullptr, 10) : scaled(100);
}

// Instances that any thread may replace at any time. A thread takes one out before it destroys it.
std::array<std::atomic<berth_instance*>, 16> instances{};

berth_instance_options short_lived() {
  berth_instance_options with = options("short-lived");
  with.span_bytes = 16 * kMiB;
  return with;
}

// What one of them reserves: above FAST more than its options say, for the states of its blocks.
std::size_t reserved_by_one() {
  const std::size_t before = process_statistics().reserved_bytes;
  const Berth one(short_lived());
  return process_statistics().reserved_bytes - before;
}

bool replace(std::mt19937_64& random) {
  std::atomic<berth_instance*>& place = instances[random() % instances.size()];
  const berth_instance_options with = short_lived();
  berth_instance* fresh = nullptr;
  if (berth_instance_create(&with, &fresh) != BERTH_OK) return false;
  for (int i = 0; i < 3; ++i) berth_malloc(berth_instance_allocator(fresh), random() % 20000);
  berth_instance* old = place.exchange(fresh);
  return old == nullptr || berth_instance_destroy(old, nullptr) == BERTH_OK;
}

bool use(berth_allocator* handle, std::mt19937_64& random, int count) {
  bool intact = true;
  std::array<void*, 32> blocks{};
  for (int i = 0; i < count; ++i) {
    void*& block = blocks[random() % blocks.size()];
    if (block != nullptr) intact = check_and_free(handle, block) && intact;
    block = make_proven(handle, mixed_size(random), random());
    if (block == nullptr) return false;
  }
  for (void* block : blocks) {
    if (block != nullptr) intact = check_and_free(handle, block) && intact;
  }
  return intact;
}

// The status that the child exits with; each step that fails has its own.
int child(berth_instance* common, void* inherited, std::size_t reserved_by_each, std::mt19937_64& random) {
  berth_allocator* handle = berth_instance_allocator(common);
  if (!check_and_free(handle, inherited)) return 2;
  if (!use(handle, random, 200)) return 3;
  for (std::atomic<berth_instance*>& place : instances) {
    berth_instance* instance = place.load();
    if (instance == nullptr) continue;
    // Somebody was about to destroy it, or has just created it, when the fork came.
    berth_allocator* theirs = berth_instance_allocator(instance);
    if (theirs == nullptr) continue;
    if (!use(theirs, random, 20)) return 4;
    if (berth_instance_destroy(instance, nullptr) != BERTH_OK) return 5;
  }
  if (berth_instance_destroy(common, nullptr) != BERTH_OK) return 6;
  Berth fresh("the child's");
  if (fresh.status() != BERTH_OK || !use(fresh.handle(), random, 50)) return 7;
  if (fresh.destroy().live_blocks != 0) return 8;

  // What is left are instances that a thread had in its hands, and each of them has one reservation: what creations
  // and destructions had reserved that the fork cut off is gone.
  const auto now = process_statistics();
  if (now.instances > kThreads) return 9;
  if (now.reservations != now.instances || now.reserved_bytes != now.instances * reserved_by_each) return 10;
  if ((now.instances == 0) != (now.committed_bytes == 0)) return 11;
  return 0;
}

}  // namespace

TEST_CASE("a child does all there is to do, whatever other threads were at", "[threads][fork]") {
  std::mt19937_64 random(berth::tests::seed());
  const std::size_t reserved_by_each = reserved_by_one();
  Berth common("common");
  std::atomic<bool> stop{false};
  std::atomic<bool> fine{true};
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, seed = random()] {
      std::mt19937_64 mine(seed);
      while (!stop.load(std::memory_order_relaxed)) {
        if (mine() % 2 == 0 ? !replace(mine) : !use(common.handle(), mine, 20)) fine = false;
      }
    });
  }
  for (std::size_t i = 0; i < forks(); ++i) {
    void* inherited = make_proven(common.handle(), mixed_size(random), i);
    REQUIRE(inherited != nullptr);
    const pid_t pid = ::fork();
    REQUIRE(pid >= 0);
    if (pid == 0) {
      ::alarm(60);  // a child that hangs is found out
      ::_exit(child(common.get(), inherited, reserved_by_each, random));
    }
    int status = 0;
    REQUIRE(::waitpid(pid, &status, 0) == pid);
    CAPTURE(i, status);
    CHECK(WIFEXITED(status));
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
      CHECK(WEXITSTATUS(status) == 0);
      break;
    }
    REQUIRE(check_and_free(common.handle(), inherited));
  }
  stop = true;
  for (std::thread& thread : threads) thread.join();
  CHECK(fine);
  for (std::atomic<berth_instance*>& place : instances) {
    if (berth_instance* instance = place.exchange(nullptr))
      CHECK(berth_instance_destroy(instance, nullptr) == BERTH_OK);
  }
  CHECK(process_statistics().instances == 1);
}

TEST_CASE("a child's threads have caches of their own, however many threads its parent had", "[threads][fork]") {
  constexpr std::size_t kMany = 1021;
  Berth berth("crowded");
  berth::tests::Barrier meet(kMany + 1);
  std::vector<std::thread> crowd;
  for (std::size_t t = 0; t < kMany; ++t) {
    crowd.emplace_back([&] {
      berth_free(berth.handle(), berth_malloc(berth.handle(), 64));
      meet.arrive_and_wait();
      meet.arrive_and_wait();
    });
  }
  meet.arrive_and_wait();
  const pid_t pid = ::fork();
  if (pid == 0) {
    ::alarm(60);
    // Twice: the indexes come back when the threads that had them have ended.
    for (int round = 0; round < 2; ++round) {
      Berth fresh("the child's");
      void* mine = berth_malloc(fresh.handle(), 64);
      berth::tests::Barrier in_child(5);
      std::atomic<bool> fine{true};
      std::vector<std::thread> threads;
      for (int t = 0; t < 4; ++t) {
        threads.emplace_back([&, t] {
          void* block = make_proven(fresh.handle(), 200, static_cast<std::uint64_t>(t));
          void* inherited = make_proven(berth.handle(), 200, static_cast<std::uint64_t>(t));
          in_child.arrive_and_wait();
          in_child.arrive_and_wait();
          if (!check_and_free(fresh.handle(), block) || !check_and_free(berth.handle(), inherited)) fine = false;
        });
      }
      in_child.arrive_and_wait();
      if (statistics(fresh.get()).threads != 5) ::_exit(1);
      in_child.arrive_and_wait();
      for (std::thread& thread : threads) thread.join();
      if (!fine) ::_exit(2);
      berth_free(fresh.handle(), mine);
      if (fresh.destroy().live_blocks != 0) ::_exit(3);
    }
    ::_exit(0);
  }
  int status = 0;
  CHECK(::waitpid(pid, &status, 0) == pid);
  CHECK(status == 0);
  meet.arrive_and_wait();
  for (std::thread& thread : crowd) thread.join();
}

#endif
