// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// What the contract says about each allocation function, one test per sentence.
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <limits>
#include <vector>

#include "fixtures.hpp"
#include "support/catch.hpp"

using namespace fixtures;

namespace {

constexpr std::size_t kSizeMax = std::numeric_limits<std::size_t>::max();

// Sizes on both sides of every kind of boundary.
const std::vector<std::size_t>& sizes_of_interest() {
  static const std::vector<std::size_t> sizes = [] {
    std::vector<std::size_t> list;
    for (std::size_t power = 1; power <= 8 * kMiB; power *= 2) {
      for (std::size_t size : {power - 1, power, power + 1, power + power / 2}) list.push_back(size);
    }
    return list;
  }();
  return sizes;
}

}  // namespace

TEST_CASE("malloc(0) gives a minimal block of its own", "[semantics]") {
  Berth berth("zero");
  void* a = berth_malloc(berth.handle(), 0);
  void* b = berth_malloc(berth.handle(), 0);
  REQUIRE(a != nullptr);
  REQUIRE(b != nullptr);
  CHECK(a != b);
  CHECK(berth_usable_size(berth.handle(), a) == berth_usable_size(berth.handle(), b));
  CHECK(berth_usable_size(berth.handle(), a) <= 16);
  CHECK(statistics(berth.get()).live_blocks == 2);
  berth_free(berth.handle(), a);
  berth_free_sized(berth.handle(), b, 0);
  CHECK(statistics(berth.get()).live_blocks == 0);
}

TEST_CASE("realloc(p, 0) gives a minimal block, never a hidden free", "[semantics]") {
  Berth berth("realloc zero");
  for (std::size_t size : {std::size_t{1}, std::size_t{100}, std::size_t{5000}, 3 * kMiB}) {
    void* block = berth_malloc(berth.handle(), size);
    REQUIRE(block != nullptr);
    void* minimal = berth_realloc(berth.handle(), block, 0);
    REQUIRE(minimal != nullptr);
    CHECK(berth_usable_size(berth.handle(), minimal) <= 16);
    CHECK(statistics(berth.get()).live_blocks == 1);
    berth_free(berth.handle(), minimal);
    CHECK(statistics(berth.get()).live_blocks == 0);
  }
}

TEST_CASE("realloc(NULL, n) is malloc", "[semantics]") {
  Berth berth("realloc null");
  for (std::size_t size : {std::size_t{0}, std::size_t{24}, 100 * kKiB}) {
    void* block = berth_realloc(berth.handle(), nullptr, size);
    void* other = berth_malloc(berth.handle(), size);
    REQUIRE(block != nullptr);
    CHECK(berth_usable_size(berth.handle(), block) == berth_usable_size(berth.handle(), other));
    berth_free(berth.handle(), block);
    berth_free(berth.handle(), other);
  }
  CHECK(statistics(berth.get()).live_blocks == 0);
}

TEST_CASE("a product that overflows in calloc is ENOMEM", "[semantics]") {
  Berth berth("calloc overflow");
  const std::pair<std::size_t, std::size_t> products[] = {
      {kSizeMax, 2},        {2, kSizeMax},          {kSizeMax / 2 + 1, 2}, {std::size_t{1} << 32, std::size_t{1} << 32},
      {kSizeMax, kSizeMax}, {kSizeMax / 16 + 1, 16}};
  std::uint64_t failures = 0;
  for (auto [count, size] : products) {
    errno = 0;
    CHECK(berth_calloc(berth.handle(), count, size) == nullptr);
    CHECK(errno == ENOMEM);
    CHECK(statistics(berth.get()).failed_allocations == ++failures);
  }
  void* block = berth_calloc(berth.handle(), 0, kSizeMax);
  CHECK(block != nullptr);
  berth_free(berth.handle(), block);
  block = berth_calloc(berth.handle(), kSizeMax, 0);
  CHECK(block != nullptr);
  berth_free(berth.handle(), block);
  CHECK(statistics(berth.get()).live_blocks == 0);
}

TEST_CASE("sizes that no span can hold are ENOMEM", "[semantics]") {
  Berth berth("absurd sizes");
  const std::size_t span = statistics(berth.get()).span_bytes;
  const auto before = statistics(berth.get());
  for (std::size_t size : {kSizeMax, kSizeMax - 1, kSizeMax - 15, kSizeMax - 16, kSizeMax - 4095, kSizeMax - 4096,
                           kSizeMax - 2 * kMiB, kSizeMax / 2, kSizeMax / 2 + 1, std::size_t{1} << 48, span, span + 1}) {
    CAPTURE(size);
    errno = 0;
    CHECK(berth_malloc(berth.handle(), size) == nullptr);
    CHECK(errno == ENOMEM);
    errno = 0;
    CHECK(berth_calloc(berth.handle(), 1, size) == nullptr);
    CHECK(errno == ENOMEM);
    for (std::size_t alignment : {std::size_t{1}, std::size_t{64}, kPage, 2 * kMiB, kGiB}) {
      errno = 0;
      CHECK(berth_aligned_alloc(berth.handle(), alignment, size) == nullptr);
      CHECK(errno == ENOMEM);
    }
  }
  const auto after = statistics(berth.get());
  CHECK(after.failed_allocations == before.failed_allocations + 12 * 7);
  CHECK(after.live_blocks == 0);
  CHECK(after.allocations == before.allocations);
}

TEST_CASE("an alignment that is no power of two is EINVAL", "[semantics]") {
  Berth berth("alignments");
  for (std::size_t alignment :
       {std::size_t{0}, std::size_t{3}, std::size_t{24}, kPage + 1, 3 * kGiB, kSizeMax, kSizeMax - 1}) {
    for (std::size_t size : {std::size_t{0}, std::size_t{1}, std::size_t{100}, kMiB, kSizeMax}) {
      CAPTURE(alignment, size);
      errno = 0;
      CHECK(berth_aligned_alloc(berth.handle(), alignment, size) == nullptr);
      CHECK(errno == EINVAL);
    }
  }
  CHECK(statistics(berth.get()).live_blocks == 0);
  CHECK(statistics(berth.get()).allocations == 0);
}

TEST_CASE("a power of two above the largest alignment is ENOMEM, whoever is asked", "[semantics]") {
  const auto level =
      GENERATE(as<std::uint32_t>(), BERTH_HARDENING_FAST, BERTH_HARDENING_CHECKED, BERTH_HARDENING_GUARDED);
  berth_instance_options with = options("huge alignments");
  with.hardening = level;
  Berth berth(with);
  berth_allocator* const a = berth.handle();
  for (const std::size_t kept_size : {std::size_t{8}, std::size_t{100}, 50 * kKiB}) {
    void* const kept = berth_malloc(a, kept_size);
    REQUIRE(kept != nullptr);
    std::memset(kept, 0x77, kept_size);
    for (std::size_t alignment = 2 * kGiB; alignment != 0; alignment *= 2) {
      for (const std::size_t size : {std::size_t{0}, std::size_t{1}, kept_size, kMiB, kSizeMax}) {
        CAPTURE(level, alignment, size);
        errno = 0;
        CHECK(berth_aligned_alloc(a, alignment, size) == nullptr);
        CHECK(errno == ENOMEM);
        errno = 0;
        CHECK(a->reallocate(a, nullptr, alignment, size) == nullptr);
        CHECK(errno == ENOMEM);
        errno = 0;
        CHECK(a->reallocate(a, kept, alignment, size) == nullptr);
        CHECK(errno == ENOMEM);
      }
    }
    CHECK(all_bytes_are(kept, kept_size, 0x77));
    berth_free(a, kept);
  }
  CHECK(statistics(berth.get()).live_blocks == 0);
}

TEST_CASE("free preserves errno", "[semantics]") {
  Berth berth("errno");
  for (std::size_t size : {std::size_t{1}, std::size_t{500}, std::size_t{20000}, 5 * kMiB, 80 * kMiB}) {
    CAPTURE(size);
    void* a = berth_malloc(berth.handle(), size);
    void* b = berth_malloc(berth.handle(), size);
    void* c = berth_malloc(berth.handle(), size);
    void* d = berth_aligned_alloc(berth.handle(), kPage, size);
    errno = 4711;
    berth_free(berth.handle(), a);
    berth_free_sized(berth.handle(), b, size);
    CHECK(berth_free_if_owned(c));
    berth_free_aligned_sized(berth.handle(), d, kPage, size);
    berth_free(berth.handle(), nullptr);
    CHECK(errno == 4711);
  }
}

TEST_CASE("NULL is freed by doing nothing, and has no usable size", "[semantics]") {
  Berth berth("null");
  berth_free(berth.handle(), nullptr);
  berth_free_sized(berth.handle(), nullptr, 100);
  berth_free_aligned_sized(berth.handle(), nullptr, 64, 100);
  CHECK(berth_usable_size(berth.handle(), nullptr) == 0);
  CHECK_FALSE(berth_owns(berth.handle(), nullptr));
  const auto after = statistics(berth.get());
  CHECK(after.deallocations == 0);
  CHECK(after.allocations == 0);
}

TEST_CASE("blocks are aligned to 16 bytes, to 8 when of 8 bytes or fewer", "[semantics]") {
  Berth berth("default alignment");
  std::vector<void*> blocks;
  for (std::size_t size = 0; size <= 3000; ++size) {
    for (int i = 0; i < 3; ++i) {
      void* block = berth_malloc(berth.handle(), size);
      REQUIRE(block != nullptr);
      if (!is_aligned(block, size <= 8 ? 8 : 16)) FAIL("size " << size << " at " << block);
      blocks.push_back(block);
    }
  }
  for (std::size_t size : sizes_of_interest()) {
    void* block = berth_malloc(berth.handle(), size);
    REQUIRE(block != nullptr);
    if (!is_aligned(block, size <= 8 ? 8 : 16)) FAIL("size " << size << " at " << block);
    blocks.push_back(block);
  }
  for (void* block : blocks) berth_free(berth.handle(), block);
  CHECK(statistics(berth.get()).live_blocks == 0);
}

TEST_CASE("alignments up to 1 GiB are kept, for every size", "[semantics]") {
  Berth berth("aligned");
  for (std::size_t alignment = 1; alignment <= kGiB; alignment *= 2) {
    std::vector<std::pair<unsigned char*, std::size_t>> blocks;
    const std::size_t last = alignment <= 4 * kMiB ? alignment + 1 : 3 * kMiB;
    for (std::size_t size : {std::size_t{0}, std::size_t{1}, std::size_t{40}, alignment - 1, alignment, alignment + 1,
                             3 * alignment + 7}) {
      if (size > last && size > 3 * kMiB) continue;
      CAPTURE(alignment, size);
      auto* block = static_cast<unsigned char*>(berth_aligned_alloc(berth.handle(), alignment, size));
      REQUIRE(block != nullptr);
      CHECK(is_aligned(block, alignment));
      const std::size_t usable = berth_usable_size(berth.handle(), block);
      CHECK(usable >= size);
      std::memset(block, static_cast<int>(blocks.size() + 1), usable);
      blocks.emplace_back(block, usable);
    }
    for (std::size_t i = 0; i < blocks.size(); ++i) {
      CHECK(all_bytes_are(blocks[i].first, blocks[i].second, static_cast<unsigned char>(i + 1)));
      berth_free(berth.handle(), blocks[i].first);
    }
  }
  CHECK(statistics(berth.get()).live_blocks == 0);
}

TEST_CASE("calloc zeroes recycled memory", "[semantics]") {
  Berth berth("calloc");
  for (int round = 0; round < 3; ++round) {
    for (std::size_t size : sizes_of_interest()) {
      CAPTURE(size);
      void* blocks[4];
      for (void*& block : blocks) {
        block = berth_malloc(berth.handle(), size);
        REQUIRE(block != nullptr);
        std::memset(block, 0xA5, berth_usable_size(berth.handle(), block));
      }
      for (void* block : blocks) berth_free(berth.handle(), block);
      for (void*& block : blocks) {
        block = berth_calloc(berth.handle(), size == 0 ? 0 : 1, size);
        REQUIRE(block != nullptr);
        CHECK(all_bytes_are(block, size, 0));
        std::memset(block, 0x5A, berth_usable_size(berth.handle(), block));
      }
      for (void* block : blocks) berth_free(berth.handle(), block);
    }
    REQUIRE(berth_instance_purge(berth.get()) == BERTH_OK);
  }
}

TEST_CASE("calloc zeroes what a large block left to smaller ones", "[semantics]") {
  Berth berth("calloc recarved");
  for (int round = 0; round < 4; ++round) {
    void* large = berth_malloc(berth.handle(), 4 * kMiB);
    REQUIRE(large != nullptr);
    std::memset(large, 0xFF, 4 * kMiB);
    berth_free(berth.handle(), large);
    std::vector<void*> blocks;
    for (std::size_t total = 0; total < 4 * kMiB;) {
      const std::size_t size = 1000 + 997 * (blocks.size() % 60);
      void* block = berth_calloc(berth.handle(), size, 1);
      REQUIRE(block != nullptr);
      REQUIRE(all_bytes_are(block, size, 0));
      std::memset(block, 0xEE, size);
      blocks.push_back(block);
      total += size;
    }
    for (void* block : blocks) berth_free(berth.handle(), block);
  }
}

TEST_CASE("realloc keeps the contents up to the smaller size", "[semantics]") {
  Berth berth("realloc");
  for (std::size_t from : sizes_of_interest()) {
    if (from > kMiB) continue;
    for (std::size_t to : {from / 2, from + 1, from * 2, std::size_t{17}, 70 * kKiB}) {
      CAPTURE(from, to);
      auto* block = static_cast<unsigned char*>(berth_malloc(berth.handle(), from));
      REQUIRE(block != nullptr);
      for (std::size_t i = 0; i < from; ++i) block[i] = static_cast<unsigned char>(i * 31 + i / 256);
      block = static_cast<unsigned char*>(berth_realloc(berth.handle(), block, to));
      REQUIRE(block != nullptr);
      CHECK(berth_usable_size(berth.handle(), block) >= to);
      bool kept = true;
      for (std::size_t i = 0; i < from && i < to; ++i) {
        kept = kept && block[i] == static_cast<unsigned char>(i * 31 + i / 256);
      }
      CHECK(kept);
      std::memset(block, 0xCC, berth_usable_size(berth.handle(), block));
      berth_free(berth.handle(), block);
    }
  }
  CHECK(statistics(berth.get()).live_blocks == 0);
}

TEST_CASE("reallocate gives the new block the alignment asked for", "[semantics]") {
  Berth berth("realloc aligned");
  berth_allocator* a = berth.handle();
  for (std::size_t alignment = 1; alignment <= 4 * kMiB; alignment *= 2) {
    CAPTURE(alignment);
    auto* block = static_cast<unsigned char*>(a->allocate(a, 50));
    std::memset(block, 0x42, 50);
    block = static_cast<unsigned char*>(a->reallocate(a, block, alignment, 300));
    REQUIRE(block != nullptr);
    CHECK(is_aligned(block, alignment));
    CHECK(all_bytes_are(block, 50, 0x42));
    block = static_cast<unsigned char*>(a->reallocate(a, block, 0, 100 * kKiB));
    REQUIRE(block != nullptr);
    CHECK(is_aligned(block, 16));
    CHECK(all_bytes_are(block, 50, 0x42));
    a->deallocate(a, block);
    block = static_cast<unsigned char*>(a->reallocate(a, nullptr, alignment, 7));
    REQUIRE(block != nullptr);
    CHECK(is_aligned(block, alignment));
    a->deallocate_sized(a, block, alignment, 7);
  }
  CHECK(statistics(berth.get()).live_blocks == 0);
}

TEST_CASE("a failed realloc leaves the block alone", "[semantics]") {
  Berth berth("realloc failure");
  berth_allocator* a = berth.handle();
  for (std::size_t size : {std::size_t{8}, std::size_t{100}, std::size_t{3000}, 50 * kKiB, 2 * kMiB}) {
    CAPTURE(size);
    void* block = berth_malloc(a, size);
    REQUIRE(block != nullptr);
    std::memset(block, 0x77, size);
    const std::size_t usable = berth_usable_size(a, block);
    for (std::size_t wanted : {kSizeMax, kSizeMax - 8, kSizeMax / 2, std::size_t{1} << 47}) {
      errno = 0;
      CHECK(berth_realloc(a, block, wanted) == nullptr);
      CHECK(errno == ENOMEM);
    }
    for (std::size_t alignment : {std::size_t{3}, std::size_t{48}, kSizeMax}) {
      errno = 0;
      CHECK(a->reallocate(a, block, alignment, size + 1) == nullptr);
      CHECK(errno == EINVAL);
    }
    CHECK(berth_usable_size(a, block) == usable);
    CHECK(all_bytes_are(block, size, 0x77));
    CHECK(statistics(berth.get()).live_blocks == 1);
    CHECK(statistics(berth.get()).live_bytes == usable);
    berth_free(a, block);
  }
}

TEST_CASE("a sized free with the size that was asked for is no misuse, at any level", "[semantics]") {
  const auto level = GENERATE(as<std::uint32_t>(), BERTH_HARDENING_FAST, BERTH_HARDENING_CHECKED);
  MisuseRecorder recorder;
  berth_instance_options with = options("sized");
  with.hardening = level;
  recorder.attach(with);
  Berth berth(with);
  REQUIRE(berth.status() == BERTH_OK);
  for (std::size_t size : sizes_of_interest()) {
    void* plain = berth_malloc(berth.handle(), size);
    berth_free_sized(berth.handle(), plain, size);
    for (std::size_t alignment :
         {std::size_t{1}, std::size_t{8}, std::size_t{32}, std::size_t{256}, kPage, 64 * kKiB}) {
      void* block = berth_aligned_alloc(berth.handle(), alignment, size);
      REQUIRE(block != nullptr);
      berth_free_aligned_sized(berth.handle(), block, alignment, size);
    }
  }
  for (const Misuse& misuse : recorder.take()) CHECK(misuse.message == "");
  CHECK(statistics(berth.get()).live_blocks == 0);
}
