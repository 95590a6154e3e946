// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Threads that end while their blocks live: others free these, heirs take over the caches, and memory is bounded by
// what lives, not by how many threads there ever were.
#include <atomic>
#include <thread>
#include <vector>

#include "crew.hpp"
#include "support/catch.hpp"

using namespace crew;
using namespace fixtures;

TEST_CASE("blocks outlive the thread that allocated them", "[threads][generations]") {
  Berth berth("outlived");
  std::vector<void*> blocks;
  std::thread([&] {
    std::mt19937_64 random(1);
    for (int i = 0; i < 3000; ++i) blocks.push_back(make_proven(berth.handle(), mixed_size(random), random()));
  }).join();
  CHECK(statistics(berth.get()).live_blocks == 3000);
  bool intact = true;
  for (void* block : blocks) intact = check_and_free(berth.handle(), block) && intact;
  CHECK(intact);
  CHECK(statistics(berth.get()).live_blocks == 0);
}

TEST_CASE("many generations of threads leave memory as one does", "[threads][generations]") {
  Berth berth("generations");
  std::vector<void*> inherited;
  std::size_t after_ten = 0;
  bool intact = true;
  const std::size_t generations = scaled_meetings(2000);
  for (std::size_t generation = 0; generation < generations; ++generation) {
    std::thread([&] {
      std::mt19937_64 random(generation);
      std::vector<void*> mine;
      for (int i = 0; i < 400; ++i) mine.push_back(make_proven(berth.handle(), random() % 1000, random()));
      for (void* block : inherited) intact = check_and_free(berth.handle(), block) && intact;
      inherited.clear();
      for (std::size_t i = 0; i < mine.size(); ++i) {
        if (i % 2 == 0) {
          intact = check_and_free(berth.handle(), mine[i]) && intact;
        } else {
          inherited.push_back(mine[i]);
        }
      }
    }).join();
    if (generation == 9) after_ten = statistics(berth.get()).committed_bytes;
  }
  CHECK(intact);
  const auto now = statistics(berth.get());
  CHECK(now.live_blocks == inherited.size());
  CHECK(now.peak_committed_bytes <= 2 * after_ten + 4 * kMiB);
  CHECK(now.threads <= 8);
  for (void* block : inherited) berth_free(berth.handle(), block);
  CHECK(statistics(berth.get()).live_blocks == 0);
}

TEST_CASE("what a dead thread left free is used by the living", "[threads][generations]") {
  Berth berth("estate");
  for (std::size_t round = 0; round < scaled(40, 4); ++round) {
    // Several at once, so that more than one cache is left behind.
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&] {
        std::vector<void*> blocks;
        for (int i = 0; i < 2000; ++i) {
          void* block = berth_malloc(berth.handle(), 512);
          if (block == nullptr) std::abort();
          std::memset(block, 1, 512);
          blocks.push_back(block);
        }
        for (void* block : blocks) berth_free(berth.handle(), block);
      });
    }
    for (std::thread& thread : threads) thread.join();
  }
  const auto now = statistics(berth.get());
  CHECK(now.live_blocks == 0);
  CHECK(now.peak_committed_bytes <= 4 * 3 * kMiB);
  CHECK(now.threads <= 8);
}

TEST_CASE("blocks of ended threads that are freed by others are reusable", "[threads][generations]") {
  Berth berth("freed after death");
  for (std::size_t round = 0; round < scaled(500); ++round) {
    std::vector<void*> blocks;
    std::thread([&] {
      for (int i = 0; i < 2000; ++i) blocks.push_back(make_proven(berth.handle(), 400, round));
    }).join();
    for (void* block : blocks) REQUIRE(check_and_free(berth.handle(), block));
  }
  CHECK(statistics(berth.get()).live_blocks == 0);
  // 500 times 800 KB went through; a few rounds' worth may lie in caches whose owners are not known dead yet.
  CHECK(statistics(berth.get()).peak_committed_bytes <= 16 * kMiB);
}

TEST_CASE("one purge is enough for what ended threads owed each other", "[threads][generations]") {
  constexpr std::ptrdiff_t kThreads = 64;
  Berth berth("debts");
  std::vector<void*> blocks(kThreads * 4);
  Barrier meeting(kThreads);
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (std::size_t i = 0; i < 4; ++i) blocks[t * 4 + i] = berth_malloc(berth.handle(), 64);
      meeting.arrive_and_wait();
      for (std::size_t i = 0; i < 4; ++i) berth_free(berth.handle(), blocks[(t + 29 * i) % kThreads * 4 + i]);
      meeting.arrive_and_wait();
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(statistics(berth.get()).live_blocks == 0);
  // A thread's number may outlast its join for a moment; until it is gone its cache is not the collector's to empty.
  while (statistics(berth.get()).threads != 0) std::this_thread::yield();
  REQUIRE(berth_instance_purge(berth.get()) == BERTH_OK);
  const std::size_t after_one = statistics(berth.get()).committed_bytes;
  REQUIRE(berth_instance_purge(berth.get()) == BERTH_OK);
  CHECK(statistics(berth.get()).committed_bytes == after_one);
}

TEST_CASE("threads come and go while others stay", "[threads][generations]") {
  Berth berth("mixed company");
  Pool pool;
  std::atomic<bool> intact{true};
  std::atomic<bool> stop{false};
  std::vector<std::thread> stayers;
  for (std::size_t t = 0; t < 2; ++t) {
    stayers.emplace_back([&, t] {
      std::mt19937_64 random(1000 + t);
      while (!stop.load(std::memory_order_relaxed)) {
        if (void* block = make_proven(berth.handle(), mixed_size(random), random())) pool.put(block);
        if (void* block = pool.take(random(), 500)) {
          if (!check_and_free(berth.handle(), block)) intact = false;
        }
      }
    });
  }
  for (std::size_t i = 0; i < scaled_meetings(600); ++i) {
    std::thread visitors[2];
    for (std::size_t t = 0; t < 2; ++t) {
      visitors[t] = std::thread([&, i, t] {
        std::mt19937_64 random(i * 2 + t);
        for (int j = 0; j < 50; ++j) {
          if (void* block = make_proven(berth.handle(), mixed_size(random), random())) pool.put(block);
          if (void* block = pool.take(random(), 500)) {
            if (!check_and_free(berth.handle(), block)) intact = false;
          }
        }
      });
    }
    for (std::thread& visitor : visitors) visitor.join();
  }
  stop = true;
  for (std::thread& stayer : stayers) stayer.join();
  for (void* block : pool.take_all()) {
    if (!check_and_free(berth.handle(), block)) intact = false;
  }
  CHECK(intact);
  const auto now = statistics(berth.get());
  CHECK(now.live_blocks == 0);
  CHECK(now.live_bytes == 0);
  CHECK(now.allocations == now.deallocations);
}

TEST_CASE("more than 1,100 threads live in one instance", "[threads][generations]") {
  constexpr std::ptrdiff_t kThreads = 1150;
  Berth berth("crowd");
  std::vector<void*> blocks(kThreads * 4);
  std::atomic<bool> intact{true};
  Barrier meeting(kThreads);
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (std::size_t i = 0; i < 4; ++i) blocks[t * 4 + i] = make_proven(berth.handle(), 40 * i + t % 100, t);
      for (std::size_t i = 0; i < 4; ++i) {
        if (blocks[t * 4 + i] == nullptr) std::abort();
      }
      meeting.arrive_and_wait();
      // Everyone frees two of its own and two of a neighbour far away, and allocates again while all are alive.
      const std::size_t other = (t + 577) % kThreads;
      for (std::size_t i = 0; i < 2; ++i) {
        if (!check_and_free(berth.handle(), blocks[t * 4 + i])) intact = false;
        if (!check_and_free(berth.handle(), blocks[other * 4 + 2 + i])) intact = false;
      }
      void* block = make_proven(berth.handle(), 64, t);
      meeting.arrive_and_wait();
      if (t == 0 && statistics(berth.get()).live_blocks != kThreads) intact = false;
      meeting.arrive_and_wait();
      if (!check_and_free(berth.handle(), block)) intact = false;
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(intact);
  const auto now = statistics(berth.get());
  CHECK(now.live_blocks == 0);
  CHECK(now.live_bytes == 0);
  CHECK(now.allocations == kThreads * 5);
  CHECK(now.deallocations == kThreads * 5);

  // And after them, an ordinary thread works as ever.
  std::thread([&] { CHECK(check_and_free(berth.handle(), make_proven(berth.handle(), 100, 1))); }).join();
  REQUIRE(berth_instance_purge(berth.get()) == BERTH_OK);
  CHECK(statistics(berth.get()).committed_bytes <= 16 * kMiB);
}
