// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Instances that end while threads that used them live on, threads that end while instances live on, and both at once.
#include <atomic>
#include <memory>
#include <thread>
#include <vector>

#include "crew.hpp"
#include "support/catch.hpp"

using namespace crew;
using namespace fixtures;

namespace {

berth_instance_options small_span(const char* name) {
  berth_instance_options with = options(name);
  with.span_bytes = 64 * kMiB;
  return with;
}

bool use(berth_allocator* handle, std::mt19937_64& random, int count) {
  std::vector<void*> blocks;
  for (int i = 0; i < count; ++i) blocks.push_back(make_proven(handle, random() % 600, random()));
  bool intact = true;
  for (void* block : blocks) intact = block != nullptr && check_and_free(handle, block) && intact;
  return intact;
}

}  // namespace

TEST_CASE("an instance is destroyed while other threads have caches in it", "[threads][lifetime]") {
  constexpr std::ptrdiff_t kThreads = 8;
  const std::size_t rounds = scaled_meetings(400);
  std::unique_ptr<Berth> berth;
  std::atomic<bool> fine{true};
  Barrier meeting(kThreads + 1);
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      std::mt19937_64 random(t);
      for (std::size_t round = 0; round < rounds; ++round) {
        meeting.arrive_and_wait();  // an instance is there
        if (!use(berth->handle(), random, 30)) fine = false;
        if (make_proven(berth->handle(), 100, t) == nullptr) fine = false;  // stays
        meeting.arrive_and_wait();                                          // all have used it
      }
    });
  }
  for (std::size_t round = 0; round < rounds; ++round) {
    berth = std::make_unique<Berth>(small_span("short-lived"));
    meeting.arrive_and_wait();
    meeting.arrive_and_wait();
    const auto report = berth->destroy();
    if (report.live_blocks != kThreads || berth->status() != BERTH_OK) fine = false;
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(fine);
  CHECK(process_statistics().instances == 0);
}

TEST_CASE("a thread's caches in a destroyed instance do not haunt its successor", "[threads][lifetime]") {
  // The successor is likely to get the same addresses and the same slot.
  std::mt19937_64 random(5);
  for (std::size_t round = 0; round < scaled(3000); ++round) {
    Berth berth(small_span("successor"));
    REQUIRE(berth.status() == BERTH_OK);
    REQUIRE(statistics(berth.get()).allocations == 0);
    REQUIRE(use(berth.handle(), random, 10));
    REQUIRE(make_proven(berth.handle(), 50, round) != nullptr);
    REQUIRE(statistics(berth.get()).live_blocks == 1);
  }
}

TEST_CASE("instances are created, used and destroyed by many threads at once", "[threads][lifetime]") {
  constexpr std::size_t kThreads = 8;
  std::atomic<bool> fine{true};
  Berth common("common");
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      std::mt19937_64 random(t);
      std::vector<std::unique_ptr<Berth>> mine;
      for (std::size_t i = 0; i < scaled(1500); ++i) {
        if (mine.size() < 4 || random() % 2 == 0) {
          mine.push_back(std::make_unique<Berth>(small_span("one of many")));
          if (mine.back()->status() != BERTH_OK) {
            fine = false;
            return;
          }
        } else {
          std::swap(mine[random() % mine.size()], mine.back());
          mine.pop_back();
        }
        if (mine.empty()) continue;
        Berth& one = *mine[random() % mine.size()];
        if (!use(one.handle(), random, 5) || !use(common.handle(), random, 5)) fine = false;
        if (berth_find_owner(one.handle()) != one.get()) fine = false;
        if (berth_find_owner(common.handle()) != common.get()) fine = false;
        if (mine.size() > 20) mine.clear();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(fine);
  CHECK(process_statistics().instances == 1);
  CHECK(statistics(common.get()).live_blocks == 0);
}

TEST_CASE("threads end while instances are destroyed", "[threads][lifetime]") {
  // The deadlock and the race of a peer: thread exit visiting heaps while heaps visit threads.
  std::atomic<bool> fine{true};
  for (std::size_t round = 0; round < scaled_meetings(60); ++round) {
    std::vector<std::unique_ptr<Berth>> berths;
    for (int i = 0; i < 8; ++i) berths.push_back(std::make_unique<Berth>(small_span("ending")));
    constexpr std::ptrdiff_t kUsers = 8;
    Barrier used(kUsers + 2);
    std::vector<std::thread> users;
    for (std::size_t t = 0; t < kUsers; ++t) {
      users.emplace_back([&, t] {
        std::mt19937_64 random(round * kUsers + t);
        for (const auto& berth : berths) {
          if (!use(berth->handle(), random, 4)) fine = false;
          if (make_proven(berth->handle(), 30, t) == nullptr) fine = false;
        }
        used.arrive_and_wait();  // and then the thread ends
      });
    }
    std::thread destroyers[2];
    for (std::size_t d = 0; d < 2; ++d) {
      destroyers[d] = std::thread([&, d] {
        used.arrive_and_wait();
        for (std::size_t i = d; i < berths.size(); i += 2) {
          if (berths[i]->destroy().live_blocks != kUsers) fine = false;
        }
      });
    }
    for (std::thread& thread : users) thread.join();
    for (std::thread& thread : destroyers) thread.join();
  }
  CHECK(fine);
  CHECK(process_statistics().instances == 0);
}

TEST_CASE("thread_prepare makes a cache, thread_detach gives it back, blocks stay", "[threads][lifetime][detach]") {
  Berth berth("prepared");
  Berth other("prepared too");
  // Threads by which this process has been here before may have left caches: what counts is the difference.
  std::thread([&] {
    const std::uint32_t before = statistics(berth.get()).threads;
    CHECK(berth_thread_prepare(berth.get()) == BERTH_OK);
    CHECK(berth_thread_prepare(berth.get()) == BERTH_OK);
    CHECK(berth_thread_prepare(other.get()) == BERTH_OK);
    CHECK(statistics(berth.get()).threads == before + 1);

    void* block = make_proven(berth.handle(), 300, 7);
    void* foreign = make_proven(other.handle(), 300, 7);
    berth_thread_detach();
    CHECK(statistics(berth.get()).threads == before);
    CHECK(statistics(other.get()).threads == 0);
    CHECK(statistics(berth.get()).live_blocks == 1);
    CHECK(berth_usable_size(berth.handle(), block) >= 300);
    CHECK(check_and_free(berth.handle(), block));
    CHECK(statistics(berth.get()).live_blocks == 0);
    block = make_proven(berth.handle(), 300, 8);
    REQUIRE(block != nullptr);
    CHECK(statistics(berth.get()).threads == before + 1);
    CHECK(check_and_free(berth.handle(), block));
    CHECK(check_and_free(other.handle(), foreign));
    berth_thread_detach();
    berth_thread_detach();
  }).join();
  CHECK(statistics(berth.get()).live_blocks == 0);
  CHECK(statistics(other.get()).live_blocks == 0);
}

TEST_CASE("a thread that detaches again and again does not use up memory", "[threads][lifetime][detach]") {
  Berth berth("detaching");
  std::mt19937_64 random(11);
  std::vector<void*> kept;
  std::size_t early = 0;
  for (std::size_t round = 0; round < scaled(3000); ++round) {
    REQUIRE(use(berth.handle(), random, 20));
    if (kept.size() < 100) kept.push_back(make_proven(berth.handle(), 64, round));
    berth_thread_detach();
    if (round == 100) early = statistics(berth.get()).committed_bytes;
  }
  if (early != 0) CHECK(statistics(berth.get()).committed_bytes <= early + 512 * kKiB);
  for (void* block : kept) CHECK(check_and_free(berth.handle(), block));
  CHECK(statistics(berth.get()).live_blocks == 0);
}

namespace {

// Freed by the destructor of a thread_local of the executable, after Berth's own view of the thread may have ended.
struct Late {
  berth_allocator* handle = nullptr;
  void* block = nullptr;
  bool* intact = nullptr;
  ~Late() {
    if (handle == nullptr) return;
    *intact = check_and_free(handle, block);
    block = make_proven(handle, 77, 3);
    *intact = block != nullptr && check_and_free(handle, block) && *intact;
  }
};
thread_local Late late;

}  // namespace

TEST_CASE("destructors of thread_locals still free and allocate", "[threads][lifetime]") {
  Berth berth("late");
  for (int i = 0; i < 50; ++i) {
    bool intact = false;
    std::thread([&] {
      late.intact = &intact;
      late.block = make_proven(berth.handle(), 200, 9);
      late.handle = berth.handle();
    }).join();
    REQUIRE(intact);
  }
  CHECK(statistics(berth.get()).live_blocks == 0);
  CHECK(statistics(berth.get()).threads <= 8);
}
