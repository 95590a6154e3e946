// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// GUARDED: blocks that wait after they were freed. A write anywhere to one is told at every size; nobody frees or
// resizes one; they are not live, and memory that they hold is there for those who need it.
#include <cstdlib>
#include <cstring>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "instance/fixtures.hpp"
#include "support/catch.hpp"
#include "support/seed.hpp"

using namespace fixtures;

namespace {

berth_instance_options guarded(MisuseRecorder& recorder) {
  berth_instance_options with = options("plugin-alpha");
  with.hardening = BERTH_HARDENING_GUARDED;
  with.flags = BERTH_INSTANCE_GUARD_RATE(65535);
  recorder.attach(with);
  return with;
}

// One size of each class.
std::vector<std::size_t> sizes_of_classes(Berth& berth) {
  std::vector<std::size_t> sizes;
  for (std::size_t size = 1; size <= 32 * kKiB;) {
    void* const block = berth_malloc(berth.handle(), size);
    const std::size_t usable = berth_usable_size(berth.handle(), block);
    berth_free(berth.handle(), block);
    sizes.push_back(usable);
    size = usable + 1;
  }
  return sizes;
}

// Of so few allocations nearly never one, and then it does not wait.
std::uint64_t guarded_allocations(Berth& berth) {
  berth_guard_statistics counts{};
  counts.struct_size = sizeof(counts);
  REQUIRE(berth_instance_guard_stats(berth.get(), &counts) == BERTH_OK);
  return counts.guarded_allocations;
}

void free_elsewhere(Berth& berth, void* block) {
  std::thread([&] {
    berth_free(berth.handle(), block);
    berth_thread_detach();
  }).join();
}

}  // namespace

TEST_CASE("a write anywhere to a freed small block is told at the next use or at the end", "[waiting]") {
  if (kSanitized) return;  // it tells at once
  const bool reused = GENERATE(false, true);
  const bool elsewhere = GENERATE(false, true);
  MisuseRecorder none;
  Berth of_sizes(guarded(none));
  for (const std::size_t size : sizes_of_classes(of_sizes)) {
    const std::size_t places[] = {0, 7, 8, 15, 16, 17, size / 2, size / 3, size - 17, size - 16, size - 9, size - 1};
    for (const std::size_t at : std::set<std::size_t>(std::begin(places), std::end(places))) {
      if (at >= size) continue;
      CAPTURE(size, at, reused, elsewhere);
      MisuseRecorder seen;
      Berth berth(guarded(seen));
      auto* const block = static_cast<unsigned char*>(berth_malloc(berth.handle(), size));
      void* const keep = berth_malloc(berth.handle(), size);
      REQUIRE(block != nullptr);
      REQUIRE(keep != nullptr);
      if (guarded_allocations(berth) != 0) continue;
      if (elsewhere) {
        free_elsewhere(berth, block);
      } else {
        berth_free(berth.handle(), block);
      }
      const_cast<volatile unsigned char*>(block)[at] = static_cast<unsigned char>(block[at] ^ 0x41);
      if (reused) {
        std::vector<void*> blocks;
        for (int i = 0; i < 200 && blocks.size() < 200; ++i) {
          void* const other = berth_malloc(berth.handle(), size);
          REQUIRE(other != nullptr);
          REQUIRE(other != block);
          blocks.push_back(other);
          if (i % 2 == 0) continue;
          berth_free(berth.handle(), blocks.back());
          blocks.pop_back();
        }
        for (void* const other : blocks) berth_free(berth.handle(), other);
      }
      berth_instance* const called = berth.get();
      berth_free(berth.handle(), keep);
      berth.destroy();
      const auto reports = seen.take();
      REQUIRE(reports.size() == 1);
      CHECK(reports[0].raw.kind == BERTH_MISUSE_CORRUPTION);
      CHECK(reports[0].raw.called == called);
      CHECK(reports[0].raw.address == block);
    }
  }
}

TEST_CASE("what waits is whole: a second free, by whomever, and a resize of it are told, and it is used once",
          "[waiting]") {
  const auto size = GENERATE(as<std::size_t>(), 1, 16, 32, 48, 49, 80, 81, 500, 9000, 32768);
  CAPTURE(size);
  MisuseRecorder seen;
  Berth berth(guarded(seen));
  void* const block = berth_malloc(berth.handle(), size);
  berth_free(berth.handle(), block);
  CHECK(statistics(berth.get()).live_blocks == 0);
  berth_free(berth.handle(), block);
  free_elsewhere(berth, block);
  CHECK(berth_realloc(berth.handle(), block, size * 2) == nullptr);
  CHECK(berth_realloc(berth.handle(), block, size) == nullptr);
  const auto reports = seen.take();
  REQUIRE(reports.size() == 4);
  for (const Misuse& misuse : reports) {
    CAPTURE(misuse.message);
    CHECK(misuse.raw.kind == BERTH_MISUSE_DOUBLE_FREE);
    CHECK(misuse.raw.block == block);
  }
  std::set<void*> different;
  for (int i = 0; i < 300; ++i) REQUIRE(different.insert(berth_malloc(berth.handle(), size)).second);
  CHECK(statistics(berth.get()).live_blocks == 300);
  for (void* const one : different) berth_free(berth.handle(), one);
  const berth_instance_statistics after = statistics(berth.get());
  CHECK(after.live_blocks == 0);
  CHECK(after.live_bytes == 0);
  CHECK(after.allocations == 301);
  CHECK(after.deallocations == 301);
  CHECK(seen.take().empty());
}

TEST_CASE("a block is not used again before others were freed after it", "[waiting]") {
  const auto size = GENERATE(as<std::size_t>(), 8, 16, 40, 64, 200, 2048, 30000);
  MisuseRecorder seen;
  Berth berth(guarded(seen));
  void* last = nullptr;
  void* before = nullptr;
  for (int i = 0; i < 1000; ++i) {
    void* const block = berth_malloc(berth.handle(), size);
    CAPTURE(size, i);
    REQUIRE(block != last);
    REQUIRE(block != before);
    before = last;
    last = block;
    berth_free(berth.handle(), block);
  }
  CHECK(seen.take().empty());
}

TEST_CASE("blocks that wait serve before an allocation fails, of their size and of others", "[waiting]") {
  const auto size = GENERATE(as<std::size_t>(), 16, 100, 1000, 9000, 32768);
  const auto other = GENERATE(as<std::size_t>(), 0, 24, 3000);
  CAPTURE(size, other);
  MisuseRecorder seen;
  berth_instance_options with = guarded(seen);
  with.quota_bytes = 2 * kMiB;
  Berth berth(with);
  const auto fill = [&](std::size_t bytes) {
    std::vector<void*> blocks;
    while (void* const block = berth_malloc(berth.handle(), bytes)) blocks.push_back(block);
    return blocks;
  };
  const auto give_back = [&](const std::vector<void*>& blocks) {
    for (void* const block : blocks) berth_free(berth.handle(), block);
  };
  std::vector<void*> all = fill(size);
  const std::size_t count = all.size();
  for (int round = 0; round < 3; ++round) {
    give_back(all);
    if (other != 0) give_back(fill(other));
    all = fill(size);
    // Another size may leave some of its pages in use; one slab more or less.
    CHECK(all.size() * 10 >= count * 9);
  }
  // One that was freed is one that can be had.
  for (int i = 0; i < 100; ++i) {
    berth_free(berth.handle(), all.back());
    all.back() = berth_malloc(berth.handle(), size);
    REQUIRE(all.back() != nullptr);
  }
  give_back(all);
  CHECK(statistics(berth.get()).live_blocks == 0);
  CHECK(seen.take().empty());
}

TEST_CASE("a purge takes in what waits, and so does the heir of a thread that has ended", "[waiting]") {
  const bool elsewhere = GENERATE(false, true);
  MisuseRecorder seen;
  Berth berth(guarded(seen));
  const auto work = [&] {
    std::vector<void*> blocks;
    for (std::size_t i = 0; i < 4000; ++i) blocks.push_back(berth_malloc(berth.handle(), 16 + i % 2000));
    for (void* const block : blocks) berth_free(berth.handle(), block);
  };
  if (elsewhere) {
    std::thread(work).join();
  } else {
    work();
  }
  CHECK(statistics(berth.get()).live_blocks == 0);
  const std::size_t before = statistics(berth.get()).committed_bytes;
  REQUIRE(berth_instance_purge(berth.get()) == BERTH_OK);
  CAPTURE(before);
  CHECK(statistics(berth.get()).committed_bytes < before / 4);
  work();
  CHECK(statistics(berth.get()).live_blocks == 0);
  CHECK(berth.destroy().live_blocks == 0);
  CHECK(seen.take().empty());
}

TEST_CASE("of sites that take turns each is guarded at some time", "[waiting]") {
  std::srand(static_cast<unsigned>(berth::tests::seed()));
  const auto sites = GENERATE(as<std::size_t>(), 2, 3, 4, 8, 256);
  const bool same_size = GENERATE(false, true);
  constexpr std::uint32_t kRate = 8;
  MisuseRecorder seen;
  berth_instance_options with = guarded(seen);
  with.flags = BERTH_INSTANCE_GUARD_RATE(kRate);
  Berth berth(with);
  // So many before the first: where the turns begin must not matter.
  for (int i = std::rand() % 100; i > 0; --i) berth_free(berth.handle(), berth_malloc(berth.handle(), 100));
  std::set<std::size_t> met;
  std::size_t turns = 0;
  for (; turns < 2000 && met.size() < sites; ++turns) {
    for (std::size_t site = 0; site < sites; ++site) {
      const std::uint64_t before = guarded_allocations(berth);
      berth_free(berth.handle(), berth_malloc(berth.handle(), same_size ? 100 : 16 * (1 + site)));
      if (guarded_allocations(berth) != before) met.insert(site);
    }
  }
  CAPTURE(sites, same_size, turns);
  CHECK(met.size() == sites);  // that one is missed 2,000 times: 1 in 10^115
}
