// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Destruction, creation and thread exit, all at once and again and again: a peer deadlocks here. BERTH_ROUNDS sets how
// often (10000 for the whole proof).
#include <atomic>
#include <thread>
#include <vector>

#include "crew.hpp"
#include "support/catch.hpp"
#include "support/process_view.hpp"
#include "watchdog.hpp"

using namespace crew;
using namespace fixtures;

namespace {

std::size_t rounds() {
  const char* given = std::getenv("BERTH_ROUNDS");
  return given != nullptr ? std::strtoul(given, nullptr, 10) : scaled_meetings(200);
}

berth_instance* make(std::mt19937_64& random) {
  berth_instance_options with = options("in the storm");
  with.span_bytes = 16 * kMiB;
  berth_instance* instance = nullptr;
  if (berth_instance_create(&with, &instance) != BERTH_OK) return nullptr;
  for (int i = 0; i < 4; ++i) {
    if (make_proven(berth_instance_allocator(instance), mixed_size(random), random()) == nullptr) return nullptr;
  }
  return instance;
}

}  // namespace

TEST_CASE("two threads destroy while thirty-two create and end", "[threads][storm]") {
  constexpr std::size_t kMakers = 32;
  Watchdog watchdog;
  Berth common("common");
  Pool made;
  Pool left;  // blocks in the common instance, by threads that have ended
  std::atomic<bool> fine{true};
  std::atomic<bool> stop{false};
  std::atomic<std::size_t> destroyed{0};
  std::vector<std::thread> destroyers;
  for (int d = 0; d < 2; ++d) {
    destroyers.emplace_back([&] {
      while (!stop.load(std::memory_order_relaxed)) {
        auto* instance = static_cast<berth_instance*>(made.take(0));
        if (instance == nullptr) {
          std::this_thread::yield();
          continue;
        }
        if (berth_instance_destroy(instance, nullptr) != BERTH_OK) fine = false;
        if (void* block = left.take(0, 4)) {
          if (!check_and_free(common.handle(), block)) fine = false;
        }
        ++destroyed;
      }
    });
  }
  const std::size_t count = rounds();
  for (std::size_t round = 0; round < count && fine; ++round) {
    std::vector<std::thread> makers;
    for (std::size_t m = 0; m < kMakers; ++m) {
      makers.emplace_back([&, m] {
        std::mt19937_64 random(round * kMakers + m);
        void* block = make_proven(common.handle(), random() % 3000, m);
        berth_instance* instance = make(random);
        if (instance == nullptr || block == nullptr) fine = false;
        left.put(block);
        made.put(instance);  // and then the thread ends
      });
    }
    for (std::thread& maker : makers) maker.join();
    watchdog.pat();
  }
  while (destroyed < count * kMakers && fine) std::this_thread::yield();
  stop = true;
  for (std::thread& destroyer : destroyers) destroyer.join();
  for (void* block : left.take_all()) {
    if (!check_and_free(common.handle(), block)) fine = false;
  }
  CHECK(fine);
  CHECK(destroyed == count * kMakers);
  CHECK(process_statistics().instances == 1);
  CHECK(statistics(common.get()).live_blocks == 0);
}
