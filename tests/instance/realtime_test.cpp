// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Real-time budgets: who has one, and that nothing is lost on any of the ways that a block can take between threads.
#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdio>
#include <cstring>
#include <deque>
#include <mutex>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "realtime_churn.hpp"
#include "support/catch.hpp"
#include "support/seed.hpp"

using namespace fixtures;

namespace {

std::size_t live_blocks_seen(berth_instance* instance) {
  std::size_t blocks = 0;
  berth_instance_visit(
      instance,
      [](void* context, const berth_block*) {
        ++*static_cast<std::size_t*>(context);
        return true;
      },
      &blocks);
  return blocks;
}

}  // namespace

TEST_CASE("a budget is committed and resident from the birth on, and all of it goes") {
  const berth_process_statistics before = process_statistics();
  LogRecorder log;
  Berth berth(realtime_options(4 * kMiB, 2));
  REQUIRE(berth.status() == BERTH_OK);
  CHECK(statistics(berth.get()).committed_bytes >= 4 * kMiB);
  CHECK(statistics(berth.get()).committed_bytes < 4 * kMiB + 256 * kKiB);
  CHECK(statistics(berth.get()).live_blocks == 0);
  CHECK(live_blocks_seen(berth.get()) == 0);
  for (const std::string& line : log.take()) {
    CHECK(line.find("plugin \"real-time\": realtime_bytes 4194304") != std::string::npos);
  }
  CHECK(berth.destroy().returned_bytes > 0);
  CHECK(same(before, process_statistics()));
}

TEST_CASE("budgets that cannot be are refused, and nothing stays") {
  const berth_process_statistics before = process_statistics();
  const auto refused = [&](const berth_instance_options& wanted, berth_status status, const char* part) {
    LogRecorder log;
    Berth berth(wanted);
    CHECK(berth.status() == status);
    const std::vector<std::string> lines = log.take();
    REQUIRE(lines.size() == 1);
    INFO(lines[0]);
    CHECK(lines[0].find(part) != std::string::npos);
    CHECK(same(before, process_statistics()));
  };
  refused(realtime_options(0, 3), BERTH_ERR_INVALID_ARGUMENT, "realtime_threads 3");
  refused(realtime_options(std::size_t{1} << 60, 1), BERTH_ERR_INVALID_ARGUMENT, "realtime_bytes 1152921504606846976");
  refused(realtime_options(kMiB, 5000), BERTH_ERR_INVALID_ARGUMENT, "5000 threads");
  // What these and the slots for their books come to begins again near zero, if it is counted in 32 bits.
  for (std::uint32_t threads = 4106486400u; threads < 4106486400u + 2000; threads += 100) {
    refused(realtime_options(kMiB, threads), BERTH_ERR_INVALID_ARGUMENT, "threads find no place");
  }
  berth_instance_options small_quota = realtime_options(4 * kMiB, 1);
  small_quota.quota_bytes = kMiB;
  refused(small_quota, BERTH_ERR_OUT_OF_MEMORY, "realtime_bytes 4194304");
}

TEST_CASE("as many threads as were asked for have a budget, and the next one gets that of one that has ended") {
  Berth berth(realtime_options(2 * kMiB, 2));
  REQUIRE(berth.status() == BERTH_OK);
  CHECK(berth_thread_prepare(berth.get()) == BERTH_OK);
  CHECK(berth_thread_prepare(berth.get()) == BERTH_OK);  // it has it already
  berth_status second = BERTH_OK;
  berth_status third = BERTH_OK;
  std::thread([&] {
    second = berth_thread_prepare(berth.get());
    std::thread([&] { third = berth_thread_prepare(berth.get()); }).join();
  }).join();
  CHECK(second == BERTH_OK);
  CHECK(third == BERTH_ERR_BUSY);
  std::thread([&] { second = berth_thread_prepare(berth.get()); }).join();
  CHECK(second == BERTH_OK);
}

TEST_CASE("what is freed comes back to the budget, by whichever way") {
  Berth berth(realtime_options(kMiB, 1));
  REQUIRE(berth_thread_prepare(berth.get()) == BERTH_OK);
  const std::size_t committed = statistics(berth.get()).committed_bytes;
  for (int round = 0; round < 20; ++round) {
    INFO(round);
    // Three quarters of it as one block: it fits only if everything is back.
    void* block = berth_malloc(berth.handle(), 768 * kKiB);
    REQUIRE(block != nullptr);
    CHECK(statistics(berth.get()).live_blocks == 1);
    CHECK(live_blocks_seen(berth.get()) == 1);
    if (round % 2 == 0) {
      berth_free(berth.handle(), block);
    } else {
      std::thread([&] { berth_free(berth.handle(), block); }).join();
    }
    CHECK(statistics(berth.get()).live_blocks == 0);
    CHECK(live_blocks_seen(berth.get()) == 0);
  }
  // At the most a cache and its slabs more, of the threads that freed.
  CHECK(statistics(berth.get()).committed_bytes <= committed + 64 * kKiB);
}

TEST_CASE("beyond its budget a real-time thread goes on as every other") {
  Berth berth(realtime_options(kMiB, 1));
  REQUIRE(berth_thread_prepare(berth.get()) == BERTH_OK);
  std::vector<void*> blocks;
  for (int i = 0; i < 40; ++i) blocks.push_back(berth_malloc(berth.handle(), 100 * kKiB));
  CHECK(std::count(blocks.begin(), blocks.end(), nullptr) == 0);
  CHECK(live_blocks_seen(berth.get()) == 40);
  for (void* block : blocks) berth_free(berth.handle(), block);
  CHECK(statistics(berth.get()).live_blocks == 0);
  CHECK(live_blocks_seen(berth.get()) == 0);
  // What it freed of the others' memory waits for one of them.
  std::thread([&] { berth_instance_purge(berth.get()); }).join();
  CHECK(statistics(berth.get()).committed_bytes < kMiB + 256 * kKiB);
}

TEST_CASE("a real-time thread beyond its budget does not grow, though no other thread comes by") {
  Berth berth(realtime_options(kMiB, 1));
  REQUIRE(berth_thread_prepare(berth.get()) == BERTH_OK);
  std::size_t committed = 0;
  for (int round = 0; round < 50; ++round) {
    void* large = berth_malloc(berth.handle(), 2 * kMiB);
    REQUIRE(large != nullptr);
    std::vector<void*> small;
    for (int i = 0; i < 4000; ++i) small.push_back(berth_malloc(berth.handle(), 600));
    for (void* block : small) berth_free(berth.handle(), block);
    berth_free(berth.handle(), large);
    if (round == 1) committed = statistics(berth.get()).committed_bytes;
  }
  CHECK(statistics(berth.get()).live_blocks == 0);
  CHECK(statistics(berth.get()).committed_bytes <= committed + kMiB);
}

TEST_CASE("a double free of a budget's large block is named") {
  MisuseRecorder misuses;
  berth_instance_options wanted = realtime_options(kMiB, 1);
  misuses.attach(wanted);
  Berth berth(wanted);
  REQUIRE(berth_thread_prepare(berth.get()) == BERTH_OK);
  void* block = berth_malloc(berth.handle(), 200 * kKiB);
  std::thread([&] { berth_free(berth.handle(), block); }).join();
  berth_free(berth.handle(), block);
  CHECK(misuses.take().size() == 1);
}

TEST_CASE("real-time threads and others free each other's blocks") {
  const std::uint64_t seed = berth::tests::seed();
  constexpr int kThreads = 4;
  Berth berth(realtime_options(4 * kMiB, 2));
  REQUIRE(berth.status() == BERTH_OK);
  std::mutex mutex;
  std::deque<std::pair<unsigned char*, std::size_t>> way;
  std::atomic<int> bad{0};
  const auto work = [&](int number) {
    if (number % 2 == 0) berth_thread_prepare(berth.get());
    std::mt19937_64 random(seed + static_cast<std::uint64_t>(number));
    for (int i = 0; i < 5000; ++i) {
      const std::size_t size = 1 + random() % (std::size_t{16} << (random() % 12));
      auto* block = static_cast<unsigned char*>(berth_malloc(berth.handle(), size));
      if (block == nullptr) {
        ++bad;
        return;
      }
      std::memset(block, static_cast<int>(size % 251), size);
      std::pair<unsigned char*, std::size_t> other{nullptr, 0};
      {
        const std::lock_guard lock(mutex);
        way.emplace_back(block, size);
        if (way.size() > 50) {
          other = way.front();
          way.pop_front();
        }
      }
      if (other.first == nullptr) continue;
      if (!all_bytes_are(other.first, other.second, static_cast<unsigned char>(other.second % 251))) ++bad;
      berth_free(berth.handle(), other.first);
    }
  };
  for (int generation = 0; generation < 3; ++generation) {
    std::vector<std::thread> threads;
    for (int i = 0; i < kThreads; ++i) threads.emplace_back(work, i);
    for (std::thread& thread : threads) thread.join();
  }
  CHECK(bad == 0);
  CHECK(statistics(berth.get()).live_blocks == way.size());
  CHECK(live_blocks_seen(berth.get()) == way.size());
  for (const auto& [block, size] : way) berth_free(berth.handle(), block);
  CHECK(statistics(berth.get()).live_blocks == 0);
  CHECK(live_blocks_seen(berth.get()) == 0);
}
