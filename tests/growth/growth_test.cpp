// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Does it all go back? Cycles of instances, measured by the system and not in the library's own books.
#include <algorithm>
#include <cstring>
#include <memory>
#include <random>
#include <vector>

#include "instance/fixtures.hpp"
#include "support/catch.hpp"
#include "support/process_view.hpp"
#include "support/scaled.hpp"

using namespace fixtures;
using berth::tests::kEmulated;
using berth::tests::ProcessView;

namespace {

// Sanitizers keep books of their own that grow, and Wine a byte for each page of address space that was ever reserved:
// 16 MiB for the first span of 64 GiB.
constexpr bool kWatched = kSanitized || kEmulated;

constexpr std::size_t scaled(std::size_t count) { return count / (kSanitized ? 20 : kEmulated ? 5 : 1); }

void check_equal(const ProcessView& before, const ProcessView& after, std::size_t resident_growth) {
  CAPTURE(before, after);
  CHECK(after.descriptors == before.descriptors);
  CHECK(after.thread_keys == before.thread_keys);
  CHECK(after.threads == before.threads);
  if (kSanitized) return;
  CHECK(after.address_space_bytes == before.address_space_bytes);
  CHECK(after.map_entries == before.map_entries);
  if (!kEmulated) CHECK(after.resident_bytes <= before.resident_bytes + resident_growth);
}

void check_ledger_empty() {
  const auto now = process_statistics();
  CHECK(now.instances == 0);
  CHECK(now.reservations == 0);
  CHECK(now.reserved_bytes == 0);
  CHECK(now.committed_bytes == 0);
}

// Fixed storage, so that the test itself does not grow.
std::vector<void*>& block_table() {
  static std::vector<void*> table(10000);
  return table;
}

// 10,000 blocks, half of them freed. Returns false on any failure.
bool fill_half(berth_allocator* handle, std::uint64_t seed) {
  std::vector<void*>& blocks = block_table();
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    const std::size_t size = 16 + (i * 2654435761u + seed) % 500;
    blocks[i] = berth_malloc(handle, size);
    if (blocks[i] == nullptr) return false;
    std::memset(blocks[i], 1, 16);
  }
  for (std::size_t i = 0; i < blocks.size(); i += 2) berth_free(handle, blocks[i]);
  return true;
}

bool cycle(std::uint64_t seed) {
  berth_instance* instance = nullptr;
  if (berth_instance_create(nullptr, &instance) != BERTH_OK) return false;
  if (!fill_half(berth_instance_allocator(instance), seed)) return false;
  berth_instance_report report{};
  report.struct_size = sizeof(report);
  return berth_instance_destroy(instance, &report) == BERTH_OK && report.live_blocks == block_table().size() / 2;
}

}  // namespace

TEST_CASE("5,000 instances with 10,000 blocks each leave the process as it was", "[growth]") {
  for (std::uint64_t i = 0; i < 10; ++i) REQUIRE(cycle(i));
  ProcessView::now();
  const ProcessView before = ProcessView::now();
  bool fine = true;
  for (std::uint64_t i = 0; i < scaled(5000); ++i) fine = fine && cycle(i);
  const ProcessView after = ProcessView::now();
  CHECK(fine);
  check_equal(before, after, 64 * kKiB);
  check_ledger_empty();
}

TEST_CASE("20,000 instances live at once, each with a block, and all gone after", "[growth]") {
  constexpr std::size_t kCount = kWatched ? 2000 : 20000;
  std::vector<berth_instance*> instances(kCount);
  std::vector<unsigned char*> blocks(kCount);
  // Once beforehand, so that the tables of the library and of the kernel's own making are there.
  const auto run = [&](bool shuffled) {
    for (std::size_t i = 0; i < kCount; ++i) {
      berth_instance_options with = options("one of 20,000");
      if (kWatched) with.span_bytes = 16 * kMiB;
      if (berth_instance_create(&with, &instances[i]) != BERTH_OK) FAIL("instance " << i);
      blocks[i] = static_cast<unsigned char*>(berth_malloc(berth_instance_allocator(instances[i]), 64));
      if (blocks[i] == nullptr) FAIL("block of instance " << i);
      std::memset(blocks[i], static_cast<int>(i & 0xFF), 64);
    }
    CHECK(process_statistics().instances == kCount);
    for (std::size_t i = 0; i < kCount; ++i) {
      if (!all_bytes_are(blocks[i], 64, static_cast<unsigned char>(i & 0xFF))) FAIL("contents of block " << i);
      if (berth_find_owner(blocks[i]) != instances[i]) FAIL("owner of block " << i);
    }
    if (shuffled) std::shuffle(instances.begin(), instances.end(), std::mt19937(17));
    for (std::size_t i = 0; i < kCount; ++i) {
      if (berth_instance_destroy(instances[i], nullptr) != BERTH_OK) FAIL("destroy of instance " << i);
    }
  };
  run(false);
  ProcessView::now();
  const ProcessView before = ProcessView::now();
  run(false);
  const ProcessView in_order = ProcessView::now();
  check_equal(before, in_order, 256 * kKiB);
  run(true);
  const ProcessView shuffled = ProcessView::now();
  check_equal(before, shuffled, 256 * kKiB);
  check_ledger_empty();
}

TEST_CASE("1,000 cycles beside 200 neighbours, destroyed in random order", "[growth]") {
  std::mt19937_64 random(23);
  const ProcessView bare = [] {
    cycle(0);
    ProcessView::now();
    return ProcessView::now();
  }();
  std::vector<berth_instance*> neighbours(kWatched ? 20 : 200);
  std::vector<void*> blocks(neighbours.size());
  const auto replace = [&](std::size_t i) {
    if (neighbours[i] != nullptr && berth_instance_destroy(neighbours[i], nullptr) != BERTH_OK) return false;
    if (berth_instance_create(nullptr, &neighbours[i]) != BERTH_OK) return false;
    blocks[i] = berth_malloc(berth_instance_allocator(neighbours[i]), 1000);
    return blocks[i] != nullptr && berth_find_owner(blocks[i]) == neighbours[i];
  };
  for (std::size_t i = 0; i < neighbours.size(); ++i) REQUIRE(replace(i));
  const auto run = [&](std::size_t count) {
    bool fine = true;
    for (std::size_t i = 0; i < count; ++i) {
      fine = fine && cycle(i);
      fine = fine && replace(random() % neighbours.size());
    }
    return fine;
  };
  REQUIRE(run(scaled(400)));
  const ProcessView before = ProcessView::now();
  REQUIRE(run(scaled(1000)));
  const ProcessView after = ProcessView::now();
  // Neighbours come and go, so spans may differ in size by one step and entries merge differently.
  CAPTURE(before, after);
  CHECK(after.descriptors == before.descriptors);
  CHECK(after.thread_keys == before.thread_keys);
  if (!kSanitized) {
    CHECK(after.map_entries <= before.map_entries + neighbours.size());
    if (!kEmulated) CHECK(after.resident_bytes <= before.resident_bytes + 256 * kKiB);
  }
  std::shuffle(neighbours.begin(), neighbours.end(), random);
  for (berth_instance* neighbour : neighbours) CHECK(berth_instance_destroy(neighbour, nullptr) == BERTH_OK);
  const ProcessView gone = ProcessView::now();
  check_equal(bare, gone, 64 * kKiB);
  check_ledger_empty();
}

TEST_CASE("failed creations leave nothing", "[growth]") {
  LogRecorder log;
  const auto fail_once = [](std::size_t span, std::size_t quota) {
    berth_instance_options with = options("refused");
    with.span_bytes = span;
    with.quota_bytes = quota;
    berth_instance* instance = nullptr;
    return berth_instance_create(&with, &instance) != BERTH_OK && instance == nullptr;
  };
  const auto run = [&](int count) {
    bool fine = true;
    for (int i = 0; i < count; ++i) {
      fine = fine && fail_once(1, 0) && fail_once(SIZE_MAX, 0) && fail_once(std::size_t{1} << 47, 0) && fail_once(0, 1);
      log.take();
    }
    return fine;
  };
  CHECK(run(10));
  ProcessView::now();
  const ProcessView before = ProcessView::now();
  CHECK(run(1000));
  const ProcessView after = ProcessView::now();
  check_equal(before, after, 64 * kKiB);
  check_ledger_empty();
}

TEST_CASE("a large destroy gives its memory back", "[growth]") {
  const auto run = [] {
    berth_instance* instance = nullptr;
    REQUIRE(berth_instance_create(nullptr, &instance) == BERTH_OK);
    berth_allocator* handle = berth_instance_allocator(instance);
    for (int i = 0; i < 64; ++i) {
      void* block = berth_malloc(handle, 4 * kMiB);
      REQUIRE(block != nullptr);
      std::memset(block, 1, 4 * kMiB);
    }
    const ProcessView full = ProcessView::now();
    CHECK(full.resident_bytes >= 256 * kMiB);
    REQUIRE(berth_instance_destroy(instance, nullptr) == BERTH_OK);
  };
  run();
  ProcessView::now();
  const ProcessView before = ProcessView::now();
  run();
  const ProcessView after = ProcessView::now();
  check_equal(before, after, 128 * kKiB);
}
