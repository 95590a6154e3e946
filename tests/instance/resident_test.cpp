// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// "Commit is accounted" against the kernel's own account: what /proc/self/smaps says is resident in a span never
// exceeds what the statistics say is committed, and what was purged is not resident.
#include "resident.hpp"

#include <algorithm>
#include <cstring>
#include <random>
#include <utility>
#include <vector>

#include "fixtures.hpp"
#include "support/catch.hpp"

using namespace fixtures;

namespace {

std::size_t resident_bytes(const Berth& berth) {
  const Resident resident = resident_in_span(berth.handle());
  REQUIRE_FALSE(resident.shared);
  return resident.bytes;
}

void check_bound(const Berth& berth, const char* when) {
  CAPTURE(when);
  const auto now = statistics(berth.get());
  const std::size_t resident = resident_bytes(berth);
  CHECK(resident <= now.committed_bytes);
}

}  // namespace

TEST_CASE("committed bounds resident through a plugin's life", "[resident]") {
  const std::uint32_t huge =
      GENERATE(as<std::uint32_t>(), BERTH_HUGE_PAGES_AUTO, BERTH_HUGE_PAGES_NEVER, BERTH_HUGE_PAGES_ALWAYS);
  CAPTURE(huge);
  berth_instance_options with = options("bounded");
  with.huge_pages = huge;
  Berth berth(with);
  check_bound(berth, "at birth");
  CHECK(resident_bytes(berth) > 0);

  std::vector<std::pair<void*, std::size_t>> blocks;
  std::mt19937 random(7);
  for (int i = 0; i < 4000; ++i) {
    const std::size_t size = random() % 50 == 0 ? random() % (2 * kMiB) : random() % 3000;
    void* block = random() % 4 == 0 ? berth_calloc(berth.handle(), size, 1) : berth_malloc(berth.handle(), size);
    REQUIRE(block != nullptr);
    std::memset(block, 1, berth_usable_size(berth.handle(), block));
    blocks.emplace_back(block, size);
    if (i % 500 == 0) check_bound(berth, "growing");
  }
  check_bound(berth, "full");
  CHECK(resident_bytes(berth) >= statistics(berth.get()).live_bytes);

  std::shuffle(blocks.begin(), blocks.end(), random);
  for (std::size_t i = 0; i < blocks.size() / 2; ++i) berth_free(berth.handle(), blocks[i].first);
  check_bound(berth, "half freed");
  REQUIRE(berth_instance_purge(berth.get()) == BERTH_OK);
  check_bound(berth, "half freed and purged");
  for (std::size_t i = blocks.size() / 2; i < blocks.size(); ++i) berth_free(berth.handle(), blocks[i].first);
  check_bound(berth, "empty");
  REQUIRE(berth_instance_purge(berth.get()) == BERTH_OK);
  check_bound(berth, "empty and purged");
  CHECK(resident_bytes(berth) <= kMiB);
}

TEST_CASE("committed bounds resident for large blocks, resized and aligned", "[resident]") {
  const std::uint32_t huge = GENERATE(as<std::uint32_t>(), BERTH_HUGE_PAGES_AUTO, BERTH_HUGE_PAGES_ALWAYS);
  berth_instance_options with = options("bounded large");
  with.huge_pages = huge;
  Berth berth(with);
  berth_allocator* a = berth.handle();
  for (std::size_t size : {kMiB, 3 * kMiB + 5, 9 * kMiB, 33 * kMiB}) {
    auto* block = static_cast<char*>(berth_malloc(a, size));
    REQUIRE(block != nullptr);
    std::memset(block, 1, size);
    check_bound(berth, "allocated");
    block = static_cast<char*>(berth_realloc(a, block, size / 3));
    REQUIRE(block != nullptr);
    check_bound(berth, "shrunk");
    block = static_cast<char*>(berth_realloc(a, block, 2 * size));
    REQUIRE(block != nullptr);
    std::memset(block, 1, 2 * size);
    check_bound(berth, "grown");
    auto* aligned = static_cast<char*>(berth_aligned_alloc(a, 4 * kMiB, size));
    REQUIRE(aligned != nullptr);
    std::memset(aligned, 1, size);
    check_bound(berth, "aligned");
    berth_free(a, block);
    check_bound(berth, "freed");
    berth_free(a, aligned);
  }
  REQUIRE(berth_instance_purge(berth.get()) == BERTH_OK);
  check_bound(berth, "purged");
  CHECK(resident_bytes(berth) <= kMiB);
}

TEST_CASE("an idle instance keeps little resident", "[resident]") {
  Berth berth("idle");
  void* block = berth_malloc(berth.handle(), 64);
  REQUIRE(block != nullptr);
  std::memset(block, 1, 64);
  CHECK(resident_bytes(berth) <= (kSanitized ? 256 : 64) * kKiB);
  check_bound(berth, "idle");
  berth_free(berth.handle(), block);
}

TEST_CASE("at a tight quota large blocks that grow in place are counted whole", "[resident]") {
  constexpr std::size_t kQuota = 3 * kMiB;
  const std::uint32_t seed = GENERATE(range(1u, 9u));
  CAPTURE(seed);
  berth_instance_options with = options("tight");
  with.quota_bytes = kQuota;
  Berth berth(with);
  std::mt19937 random(seed);
  std::vector<std::pair<void*, std::size_t>> blocks(12, {nullptr, 0});
  for (int i = 0; i < 3000; ++i) {
    auto& [block, size] = blocks[random() % blocks.size()];
    if (random() % 4 == 0) {
      berth_free(berth.handle(), std::exchange(block, nullptr));
      continue;
    }
    const std::size_t wanted = 33 * kKiB + random() % (600 * kKiB);
    void* resized = berth_realloc(berth.handle(), block, wanted);
    if (resized == nullptr) continue;
    block = resized;
    size = wanted;
    std::memset(block, 1, size);
    if (i % 100 == 0) check_bound(berth, "resizing");
    if (random() % 50 == 0) REQUIRE(berth_instance_purge(berth.get()) == BERTH_OK);
  }
  check_bound(berth, "resized");
  CHECK(statistics(berth.get()).peak_committed_bytes <= kQuota);
  for (auto& [block, size] : blocks) berth_free(berth.handle(), block);
  REQUIRE(berth_instance_purge(berth.get()) == BERTH_OK);
  check_bound(berth, "empty");
  CHECK(statistics(berth.get()).live_bytes == 0);
}
