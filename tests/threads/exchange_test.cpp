// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Blocks allocated here and freed there, by threads that stay.
#include <atomic>
#include <deque>
#include <thread>
#include <vector>

#include "crew.hpp"
#include "support/catch.hpp"

using namespace crew;
using namespace fixtures;

TEST_CASE("a producer's blocks are freed by a consumer", "[threads][exchange]") {
  Berth berth("producer");
  constexpr std::size_t kRing = 1024;
  const std::size_t total = scaled(400000);
  std::vector<std::atomic<void*>> ring(kRing);
  std::atomic<bool> intact{true};
  std::thread consumer([&] {
    for (std::size_t i = 0; i < total; ++i) {
      void* block = nullptr;
      while ((block = ring[i % kRing].exchange(nullptr, std::memory_order_acquire)) == nullptr) {
        std::this_thread::yield();
      }
      if (!check_and_free(berth.handle(), block)) intact = false;
    }
    const auto now = statistics(berth.get());
    if (now.remote_deallocations > now.deallocations) intact = false;
  });
  std::mt19937_64 random(3);
  for (std::size_t i = 0; i < total; ++i) {
    void* block = make_proven(berth.handle(), random() % 700, random());
    while (ring[i % kRing].load(std::memory_order_relaxed) != nullptr) std::this_thread::yield();
    ring[i % kRing].store(block, std::memory_order_release);
  }
  consumer.join();
  CHECK(intact);
  const auto now = statistics(berth.get());
  CHECK(now.live_blocks == 0);
  CHECK(now.live_bytes == 0);
  CHECK(now.allocations == total);
  CHECK(now.deallocations == total);
  CHECK(now.remote_deallocations == total);
  // At most the ring was live: what remote frees hold back must be bounded.
  CHECK(now.peak_committed_bytes <= 24 * kMiB);
}

TEST_CASE("all threads free each other's blocks, in several instances at once", "[threads][exchange]") {
  constexpr std::size_t kThreads = 8;
  constexpr std::size_t kInstances = 3;
  const std::size_t steps = scaled(60000);
  std::vector<Berth> berths;
  for (std::size_t i = 0; i < kInstances; ++i) berths.emplace_back("exchange");
  std::vector<Pool> pools(kInstances);
  std::atomic<std::size_t> made{0};
  std::atomic<bool> intact{true};
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      std::mt19937_64 random(t);
      std::size_t count = 0;
      for (std::size_t i = 0; i < steps; ++i) {
        const std::size_t where = random() % kInstances;
        if (random() % 2 == 0) {
          void* block = make_proven(berths[where].handle(), mixed_size(random), random());
          if (block == nullptr) std::abort();
          pools[where].put(block);
          ++count;
        } else if (void* block = pools[where].take(random(), 50)) {
          if (!check_and_free(berths[where].handle(), block)) intact = false;
        }
      }
      made += count;
    });
  }
  for (std::thread& thread : threads) thread.join();
  std::uint64_t allocations = 0;
  for (std::size_t i = 0; i < kInstances; ++i) {
    const std::vector<void*> left = pools[i].take_all();
    CHECK(statistics(berths[i].get()).live_blocks == left.size());
    for (void* block : left) {
      if (!check_and_free(berths[i].handle(), block)) intact = false;
    }
    const auto now = statistics(berths[i].get());
    CHECK(now.live_blocks == 0);
    CHECK(now.live_bytes == 0);
    CHECK(now.allocations == now.deallocations);
    allocations += now.allocations;
  }
  CHECK(allocations == made);
  CHECK(intact);
}

TEST_CASE("two threads pass one block back and forth", "[threads][exchange]") {
  Berth berth("ping pong");
  const std::size_t turns = scaled_meetings(20000);
  Barrier meeting(2);
  void* block = nullptr;
  bool intact = true;
  const auto play = [&](std::size_t me) {
    std::mt19937_64 random(me);
    for (std::size_t turn = 0; turn < turns; ++turn) {
      if (turn % 2 == me) {
        if (block != nullptr) intact = check_and_free(berth.handle(), block) && intact;
        block = make_proven(berth.handle(), turn % 5000, turn);
      }
      meeting.arrive_and_wait();
    }
  };
  std::thread other(play, 1);
  play(0);
  other.join();
  intact = check_and_free(berth.handle(), block) && intact;
  CHECK(intact);
  CHECK(statistics(berth.get()).live_blocks == 0);
  CHECK(statistics(berth.get()).peak_committed_bytes <= 4 * kMiB);
}

TEST_CASE("large blocks are allocated, resized and freed by all threads", "[threads][exchange]") {
  Berth berth("large");
  Pool pool;
  std::atomic<bool> intact{true};
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      std::mt19937_64 random(t);
      for (std::size_t i = 0; i < scaled(2000); ++i) {
        auto* block = static_cast<unsigned char*>(berth_malloc(berth.handle(), 4096 + random() % kMiB));
        if (block == nullptr) std::abort();
        std::memcpy(block, &i, sizeof(i));
        block = static_cast<unsigned char*>(berth_realloc(berth.handle(), block, 4096 + random() % (2 * kMiB)));
        if (block == nullptr || std::memcmp(block, &i, sizeof(i)) != 0) intact = false;
        pool.put(block);
        if (void* other = pool.take(random(), 8)) berth_free(berth.handle(), other);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (void* block : pool.take_all()) berth_free(berth.handle(), block);
  CHECK(intact);
  const auto now = statistics(berth.get());
  CHECK(now.live_blocks == 0);
  CHECK(now.live_bytes == 0);
  CHECK(now.allocations == now.deallocations);
}

TEST_CASE("statistics, purge, quota and find_owner may be called while threads allocate", "[threads][exchange]") {
  constexpr std::size_t kQuota = 64 * kMiB;
  berth_instance_options with = options("watched");
  with.quota_bytes = kQuota;
  Berth berth(with);
  Pool pool;
  std::atomic<bool> stop{false};
  std::atomic<bool> fine{true};
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      std::mt19937_64 random(t);
      while (!stop.load(std::memory_order_relaxed)) {
        if (void* block = make_proven(berth.handle(), mixed_size(random), random())) {
          if (berth_find_owner(block) != berth.get()) fine = false;
          pool.put(block);
        }
        if (void* block = pool.take(random(), random() % 2000)) {
          if (!check_and_free(berth.handle(), block)) fine = false;
        }
      }
    });
  }
  std::mt19937_64 random(99);
  for (std::size_t i = 0; i < scaled_meetings(3000); ++i) {
    const auto now = statistics(berth.get());
    if (now.struct_size == 0 || now.committed_bytes > kQuota || now.peak_committed_bytes > kQuota) fine = false;
    if (i % 10 == 0 && berth_instance_purge(berth.get()) != BERTH_OK) fine = false;
    if (i % 7 == 0 && berth_instance_set_quota(berth.get(), 4 * kMiB + random() % (kQuota - 4 * kMiB)) != BERTH_OK) {
      fine = false;
    }
    if (process_statistics().instances != 1) fine = false;
    std::this_thread::yield();
  }
  stop = true;
  for (std::thread& thread : threads) thread.join();
  for (void* block : pool.take_all()) {
    if (!check_and_free(berth.handle(), block)) fine = false;
  }
  CHECK(fine);
  const auto now = statistics(berth.get());
  CHECK(now.live_blocks == 0);
  CHECK(now.live_bytes == 0);
}
