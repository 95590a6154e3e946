// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Corruption of free-list links, and double frees that no single call can see: found at the next use, kept out of use,
// and told with the plugin's name.
#include <atomic>
#include <cstring>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "arenas/asan.hpp"
#include "instance/fixtures.hpp"
#include "support/catch.hpp"

using namespace fixtures;

namespace {

berth_instance_options with(std::uint32_t level, MisuseRecorder& recorder) {
  berth_instance_options with = options("plugin-alpha");
  with.hardening = level;
  recorder.attach(with);
  return with;
}

void check_corruption(const Misuse& misuse, const Berth& berth, const void* block) {
  CAPTURE(misuse.message);
  CHECK(misuse.raw.kind == BERTH_MISUSE_CORRUPTION);
  CHECK(misuse.raw.called == berth.get());
  CHECK(misuse.raw.owner == berth.get());
  CHECK(misuse.raw.address == block);
  CHECK(misuse.raw.block == block);
  CHECK(misuse.message.find("plugin-alpha") != std::string::npos);
  CHECK(misuse.message.find("while it was free") != std::string::npos);
}

// Blocks of one size that are all different, all writable, and none of which is in `taken`.
void check_goes_on(Berth& berth, std::size_t size, std::set<void*> taken) {
  std::vector<void*> blocks;
  for (int i = 0; i < 3000; ++i) {
    void* block = berth_malloc(berth.handle(), size);
    REQUIRE(block != nullptr);
    REQUIRE(taken.insert(block).second);
    std::memset(block, i & 0xff, size);
    blocks.push_back(block);
  }
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    REQUIRE(all_bytes_are(blocks[i], size, static_cast<unsigned char>(i & 0xff)));
    berth_free(berth.handle(), blocks[i]);
  }
}

struct Scribble {
  const char* name;
  std::size_t offset, length;
  unsigned char value;
};

constexpr Scribble kScribbles[] = {{"clears the link", 0, 8, 0},
                                   {"clears the link and its seal", 0, 16, 0},
                                   {"fills it", 0, 8, 0x41},
                                   {"fills the first 16 bytes", 0, 16, 0xff},
                                   {"writes one byte of it", 0, 1, 0x7b},
                                   {"writes the last byte of it", 7, 1, 0x7b},
                                   {"writes one byte of the seal", 8, 1, 0x7b}};

}  // namespace

TEST_CASE("a write to a free block's link is found when the block is used next", "[misuse]") {
  const auto level = GENERATE(as<std::uint32_t>(), BERTH_HARDENING_CHECKED, BERTH_HARDENING_GUARDED);
  const auto size = GENERATE(as<std::size_t>(), 16, 64, 1000, 30000);
  for (const Scribble& scribble : kScribbles) {
    const std::string name = scribble.name;
    CAPTURE(level, size, name);
    MisuseRecorder seen;
    Berth berth(with(level, seen));
    std::vector<void*> blocks;
    for (int i = 0; i < 40; ++i) blocks.push_back(berth_malloc(berth.handle(), size));
    for (int i = 10; i < 13; ++i) berth_free(berth.handle(), blocks[static_cast<std::size_t>(i)]);
    auto* victim = static_cast<unsigned char*>(blocks[11]);
    unsigned char before[16];
    berth::core::asan::unpoison(victim, sizeof(before));
    std::memcpy(before, victim, sizeof(before));
    std::memset(victim + scribble.offset, scribble.value, scribble.length);
    if (std::memcmp(before, victim, sizeof(before)) == 0) continue;  // the very byte that was there

    // Nobody gets the block; the allocation that meets it is served from elsewhere.
    std::set<void*> taken(blocks.begin(), blocks.begin() + 10);
    taken.insert(blocks.begin() + 13, blocks.end());
    std::vector<Misuse> reports;
    for (int i = 0; i < 5000 && reports.empty(); ++i) {
      void* block = berth_malloc(berth.handle(), size);
      reports = seen.take();
      REQUIRE(block != nullptr);
      REQUIRE(block != victim);
      REQUIRE(taken.insert(block).second);
    }
    // At GUARDED it waits before it is used.
    if (level == BERTH_HARDENING_GUARDED) {
      REQUIRE(reports.empty());
      CHECK(berth_instance_purge(berth.get()) == BERTH_OK);
      reports = seen.take();
    }
    REQUIRE(reports.size() == 1);
    check_corruption(reports[0], berth, victim);
    CHECK(statistics(berth.get()).live_blocks == taken.size());
    std::size_t visited = 0;
    REQUIRE(berth_instance_visit(
                berth.get(), [](void* count, const berth_block*) { return ++*static_cast<std::size_t*>(count) != 0; },
                &visited) == BERTH_OK);
    CHECK(visited == taken.size());
    taken.insert(victim);
    check_goes_on(berth, size, taken);
    CHECK(berth_instance_purge(berth.get()) == BERTH_OK);
    CHECK(seen.take().empty());
    CHECK(berth.destroy().live_blocks == taken.size() - 1);
    CHECK(berth.status() == BERTH_OK);
  }
}

TEST_CASE("corruption that another thread's free brings home is found there", "[misuse]") {
  const auto level = GENERATE(as<std::uint32_t>(), BERTH_HARDENING_CHECKED, BERTH_HARDENING_GUARDED);
  MisuseRecorder seen;
  Berth berth(with(level, seen));
  void* block = berth_malloc(berth.handle(), 100);
  void* keep = berth_malloc(berth.handle(), 100);
  std::thread([&] {
    berth_free(berth.handle(), block);
    CHECK(berth_instance_purge(berth.get()) == BERTH_OK);  // sends it
    berth::core::asan::unpoison(block, 100);
    std::memset(block, 0x66, 100);
  }).join();
  CHECK(seen.take().empty());
  CHECK(berth_instance_purge(berth.get()) == BERTH_OK);
  const auto reports = seen.take();
  REQUIRE(reports.size() == 1);
  check_corruption(reports[0], berth, block);
  CHECK(reports[0].operation == "berth_instance_purge");
  check_goes_on(berth, 100, {block, keep});
  CHECK(seen.take().empty());
}

TEST_CASE("of two threads that free one block at once, one is named", "[misuse]") {
  const auto level = GENERATE(as<std::uint32_t>(), BERTH_HARDENING_CHECKED, BERTH_HARDENING_GUARDED);
  const bool owner_frees = GENERATE(true, false);
  constexpr int kRounds = 500;
  CAPTURE(level, owner_frees);
  MisuseRecorder seen;
  Berth berth(with(level, seen));
  // Written by this thread (release) and read by the others (acquire): the block of a round, and that all have freed.
  std::atomic<void*> shared{nullptr};
  std::atomic<int> round{0};
  std::atomic<int> done{0};
  const auto helper = [&] {
    for (int mine = 1; mine <= kRounds; ++mine) {
      while (round.load(std::memory_order_acquire) < mine) std::this_thread::yield();
      berth_free(berth.handle(), shared.load(std::memory_order_relaxed));
      berth_instance_purge(berth.get());  // sends what it has freed
      done.fetch_add(1, std::memory_order_release);
    }
  };
  std::thread first(helper);
  std::thread second;
  const int helpers = owner_frees ? 1 : 2;
  if (!owner_frees) second = std::thread(helper);
  void* keep = berth_malloc(berth.handle(), 48);
  std::size_t reported = 0;
  for (int i = 1; i <= kRounds; ++i) {
    void* block = berth_malloc(berth.handle(), 48);
    REQUIRE(block != keep);
    shared.store(block, std::memory_order_relaxed);
    round.store(i, std::memory_order_release);
    if (owner_frees) berth_free(berth.handle(), block);
    while (done.load(std::memory_order_acquire) < i * helpers) std::this_thread::yield();
    CHECK(berth_instance_purge(berth.get()) == BERTH_OK);
    for (const Misuse& misuse : seen.take()) {
      CHECK(misuse.raw.kind == BERTH_MISUSE_DOUBLE_FREE);
      CHECK(misuse.raw.address == block);
      ++reported;
    }
    REQUIRE(reported == static_cast<std::size_t>(i));
    REQUIRE(statistics(berth.get()).live_blocks == 1);
  }
  first.join();
  if (second.joinable()) second.join();
  check_goes_on(berth, 48, {keep});
}
