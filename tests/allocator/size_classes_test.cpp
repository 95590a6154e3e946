// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
#include "allocator/blocks/size_classes.hpp"

#include "support/catch.hpp"

using namespace berth;
using namespace berth::core;

TEST_CASE("each size has the smallest class that holds it") {
  for (std::size_t size = 0; size <= kMaxSmall; ++size) {
    const unsigned index = size_class::of(size);
    REQUIRE(index < kClasses);
    REQUIRE(size_class::kTable[index].block_bytes >= size);
    if (index + 1 < kClasses) REQUIRE(size_class::kTable[index + 1].block_bytes < size);
  }
}

TEST_CASE("above 128 bytes a block is at most 12.5 % larger than the request") {
  for (std::size_t size = 129; size <= kMaxSmall; ++size) {
    const std::size_t block = size_class::kTable[size_class::of(size)].block_bytes;
    REQUIRE((block - size) * 8 <= block);
  }
}

TEST_CASE("blocks above 8 bytes are multiples of 16") {
  CHECK(size_class::kTable[kClasses - 1].block_bytes == 8);
  for (unsigned index = 0; index + 1 < kClasses; ++index) CHECK(size_class::kTable[index].block_bytes % 16 == 0);
}

TEST_CASE("an aligned request has a class whose blocks are aligned") {
  for (std::size_t alignment = 1; alignment <= pal::kPageSize; alignment *= 2) {
    for (std::size_t size : {0u, 1u, 7u, 8u, 9u, 17u, 100u, 129u, 1000u, 1025u, 4097u, 30000u, 32768u}) {
      const unsigned index = size_class::of(alignment, size);
      REQUIRE(index < kClasses);
      CHECK(size_class::kTable[index].block_bytes >= size);
      CHECK(size_class::kTable[index].block_bytes % alignment == 0);
    }
  }
  CHECK(size_class::of(2 * pal::kPageSize, 1) == kNoClass);
  CHECK(size_class::of(16, kMaxSmall + 1) == kNoClass);
}

TEST_CASE("an offset's block is found without a division") {
  for (unsigned index = 0; index < kClasses; ++index) {
    const size_class::Class& kind = size_class::kTable[index];
    for (std::size_t offset = 0; offset < kind.slab_pages * pal::kPageSize; ++offset) {
      REQUIRE(size_class::block_index(index, offset) == offset / kind.block_bytes);
    }
  }
}

TEST_CASE("a slab wastes little and holds several blocks") {
  for (const size_class::Class& kind : size_class::kTable) {
    CHECK(kind.blocks >= 8);
    CHECK(kind.slab_pages >= size_class::kMinSlabPages);
    CHECK(kind.slab_pages <= kind.slab_alignment);
    CHECK((kind.slab_alignment & (kind.slab_alignment - 1)) == 0);
    const std::size_t bytes = kind.slab_pages * pal::kPageSize;
    const std::size_t waste = bytes - std::size_t{kind.blocks} * kind.block_bytes;
    CHECK(waste * 64 <= bytes);
  }
}
