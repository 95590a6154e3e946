// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Samples of many threads: blocks that go from one to another, a mean that changes meanwhile, and threads that may not
// wait.
#include <atomic>
#include <cstdint>
#include <mutex>
#include <random>
#include <thread>
#include <vector>

#include "profiling/stacks.hpp"
#include "support/catch.hpp"
#include "support/sanitizers.hpp"
#include "support/seed.hpp"

using namespace fixtures;

TEST_CASE("threads sample, hand blocks over and free them while the mean changes") {
  constexpr int kThreads = 8;
  const int rounds = kSanitized ? 2000 : 20000;
  const std::uint64_t seed = berth::tests::seed();
  for (const std::uint32_t level : {BERTH_HARDENING_FAST, BERTH_HARDENING_CHECKED}) {
    berth_instance_options wanted = options("many threads");
    wanted.hardening = level;
    wanted.sample_bytes = 1;
    Berth berth(wanted);
    std::mutex lock;
    std::vector<void*> shared;
    std::atomic<int> failures{0};
    std::vector<std::thread> threads;
    for (int number = 0; number < kThreads; ++number) {
      threads.emplace_back([&, number] {
        std::mt19937_64 random(seed + static_cast<std::uint64_t>(number));
        std::vector<void*> own;
        for (int round = 0; round < rounds; ++round) {
          void* block = berth_malloc(berth.handle(), 1 + random() % 2000);
          if (block == nullptr) ++failures;
          if (random() % 4 == 0) block = berth_realloc(berth.handle(), block, 1 + random() % 30000);
          own.push_back(block);
          if (own.size() > 50) {
            const std::lock_guard<std::mutex> held(lock);
            std::swap(own, shared);
          }
          if (own.size() > 20) {
            berth_free(berth.handle(), own.back());
            own.pop_back();
          }
          if (number == 0 && round % 100 == 0) {
            constexpr std::size_t kMeans[] = {1, 100, 4096, 0};
            if (berth_instance_set_sampling(berth.get(), kMeans[random() % 4]) != BERTH_OK) ++failures;
            stacks::of(berth.get());
          }
        }
        for (void* block : own) berth_free(berth.handle(), block);
      });
    }
    for (std::thread& thread : threads) thread.join();
    for (void* block : shared) berth_free(berth.handle(), block);
    CHECK(failures == 0);
    CHECK(stacks::sum_of(berth.get()).total_blocks > 0);
    CHECK(stacks::sum_of(berth.get()).blocks == 0);
    CHECK(stacks::sum_of(berth.get()).bytes == 0);
    CHECK(statistics(berth.get()).live_blocks == 0);
  }
}

TEST_CASE("a thread that may not wait counts without a stack, and frees the samples of others") {
  berth_instance_options wanted = options("real-time");
  wanted.realtime_bytes = 4 * kMiB;
  wanted.realtime_threads = 1;
  wanted.sample_bytes = 1;
  Berth berth(wanted);
  std::vector<void*> of_others;
  for (int i = 0; i < 1000; ++i) of_others.push_back(berth_malloc(berth.handle(), 100));
  CHECK(stacks::sum_of(berth.get()).blocks == 1000);
  std::atomic<bool> done{false};
  std::thread reader([&] {  // holds the lock of the samples again and again
    while (!done) stacks::of(berth.get());
  });
  std::thread audio([&] {
    REQUIRE(berth_thread_prepare(berth.get()) == BERTH_OK);
    for (int i = 0; i < 500; ++i) berth_free(berth.handle(), berth_malloc(berth.handle(), 64));
    for (void* block : of_others) berth_free(berth.handle(), block);
  });
  audio.join();
  done = true;
  reader.join();
  bool found = false;
  for (const stacks::Stack& stack : stacks::of(berth.get())) {
    if (!stack.frames.empty()) continue;
    found = true;
    CHECK(stack.names.front() == "[real-time thread]");
    CHECK(stack.total_blocks == 500);
    CHECK(stack.total_bytes == 500 * 64);
    CHECK(stack.blocks == 0);
  }
  CHECK(found);
  CHECK(statistics(berth.get()).live_blocks == 0);
}

TEST_CASE("instances come and go under threads that sample in them") {
  std::vector<std::thread> threads;
  for (int number = 0; number < 8; ++number) {
    threads.emplace_back([] {
      for (int round = 0; round < 50; ++round) {
        berth_instance_options wanted = options("comes and goes");
        wanted.sample_bytes = 1 + static_cast<std::size_t>(round % 3) * 500;
        Berth berth(wanted);
        std::vector<void*> blocks;
        for (int i = 0; i < 200; ++i) blocks.push_back(berth_malloc(berth.handle(), 100));
        stacks::of(berth.get());
        for (void* block : blocks) berth_free(berth.handle(), block);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(process_statistics().instances == 0);
}
