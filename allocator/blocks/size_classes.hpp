// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Size classes: eight to each doubling above 128 bytes, so that a block is at most 12.5 % larger than the request;
// below that one for each 16 bytes, and one of 8. Requests above kMaxSmall are whole pages from the arena.
// The class is a pure function of (alignment, size): a sized free and a realloc can compute it again. Classes are
// numbered from the largest down, so that in a thread's cache the bins of small blocks come last, next to the instance.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "arenas/pal/pal.hpp"

namespace berth::core {

inline constexpr unsigned kClasses = 73;
inline constexpr std::size_t kMaxSmall = std::size_t{32} << 10;
inline constexpr unsigned kNoClass = kClasses;  // a large block

namespace size_class {

// What the allocator needs to know of a class.
struct Class {
  std::uint32_t block_bytes;
  std::uint32_t slab_pages;      // as many as its blocks need
  std::uint32_t slab_alignment;  // pages, a power of two, at least slab_pages: a block's slab is a mask away
  std::uint32_t blocks;          // in a slab
  std::uint32_t free_list_room;  // frees that a thread keeps before it sorts them back into their slabs
  std::uint64_t reciprocal;      // ceil(2^40 / block_bytes): offset / block_bytes without a division
};

inline constexpr unsigned kScaleShift = 6;         // a class times 64 is where its bin lies in a cache
inline constexpr std::uint32_t kMinSlabPages = 4;  // a slab's record lies in the pagemap entries of four pages
inline constexpr std::uint32_t kMaxSlabPages = 64;

namespace detail {

inline constexpr std::uint32_t block_bytes(unsigned index) noexcept {
  const unsigned rank = kClasses - 1 - index;  // from the smallest up
  if (rank == 0) return 8;
  if (rank <= 8) return 16 * rank;
  const unsigned doubling = (rank - 9) / 8;
  const unsigned step = (rank - 9) % 8;
  return (16u << doubling) * (9 + step);
}

inline constexpr std::uint32_t kPageBytes = static_cast<std::uint32_t>(pal::kPageSize);

// The smallest slab that holds eight blocks and wastes no more than 1/64 of its pages, else the largest one.
inline constexpr Class shape(std::uint32_t block) noexcept {
  Class kind{block, 0, kMinSlabPages, 0, 0, 0};
  for (;; kind.slab_alignment *= 2) {
    kind.blocks = kind.slab_alignment * kPageBytes / block;
    kind.slab_pages = (kind.blocks * block + kPageBytes - 1) / kPageBytes;
    const std::uint32_t waste = kind.slab_pages * kPageBytes - kind.blocks * block;
    if (kind.blocks >= 8 && waste <= kind.slab_pages * kPageBytes / 64) return kind;
    if (kind.slab_alignment == kMaxSlabPages) return kind;
  }
}

inline constexpr std::uint32_t free_list_room(std::uint32_t block) noexcept {
  const std::uint32_t room = (64u << 10) / block;
  return room < 4 ? 4 : room > 256 ? 256 : room;
}

inline constexpr std::array<Class, kClasses> make_classes() noexcept {
  std::array<Class, kClasses> classes{};
  for (unsigned index = 0; index < kClasses; ++index) {
    const std::uint32_t block = block_bytes(index);
    classes[index] = shape(block);
    classes[index].free_list_room = free_list_room(block);
    classes[index].reciprocal = ((std::uint64_t{1} << 40) + block - 1) / block;
  }
  return classes;
}

inline constexpr std::size_t kGranule = 8;

inline constexpr std::array<std::uint16_t, kMaxSmall / kGranule + 1> make_scaled() noexcept {
  std::array<std::uint16_t, kMaxSmall / kGranule + 1> scaled{};
  unsigned current = kClasses - 1;
  for (std::size_t granules = 0; granules < scaled.size(); ++granules) {
    while (block_bytes(current) < granules * kGranule) --current;
    scaled[granules] = static_cast<std::uint16_t>(current << kScaleShift);
  }
  return scaled;
}

inline constexpr std::array<std::uint16_t, kMaxSmall / kGranule + 1> kScaled = make_scaled();

}  // namespace detail

inline constexpr std::array<Class, kClasses> kTable = detail::make_classes();

static_assert(kTable[0].block_bytes == kMaxSmall);

// The class as whose slabs those of a class are cut. Above FAST blocks of 8 bytes lie 16 bytes apart: room for a link
// and its seal, and a state for each.
inline constexpr unsigned cut_as(unsigned index, bool sealed) noexcept {
  return sealed && index == kClasses - 1 ? index - 1 : index;
}
static_assert(kTable[kClasses - 1].slab_alignment == kTable[kClasses - 2].slab_alignment &&
              kTable[kClasses - 1].slab_pages == kTable[kClasses - 2].slab_pages);

// The class of a request of up to kMaxSmall bytes at the default alignment, times 2^kScaleShift: one load.
inline std::size_t scaled_of(std::size_t size) noexcept {
  return detail::kScaled[(size + detail::kGranule - 1) / detail::kGranule];
}
inline std::size_t bytes_of_scaled(std::size_t scaled) noexcept { return kTable[scaled >> kScaleShift].block_bytes; }
inline unsigned of(std::size_t size) noexcept { return static_cast<unsigned>(scaled_of(size) >> kScaleShift); }

// The class of a request at an alignment (a power of two); kNoClass: large. Blocks lie at multiples of their size in a
// slab that is aligned to its own, so a block of a multiple of the alignment is aligned.
inline unsigned of(std::size_t alignment, std::size_t size) noexcept {
  if (size > kMaxSmall || alignment > pal::kPageSize) return kNoClass;
  for (unsigned index = of(size) + 1; index-- > 0;) {
    if ((kTable[index].block_bytes & (alignment - 1)) == 0) return index;
  }
  return kNoClass;
}

// The class of a request with the handle's convention that alignment 0 is the default one.
inline unsigned of_request(std::size_t alignment, std::size_t size) noexcept {
  if (alignment != 0) return of(alignment, size);
  return size <= kMaxSmall ? of(size) : kNoClass;
}

// Which block of a slab an offset lies in. Exact: offsets are below 2^18, so the reciprocal's error stays below 2^-22.
inline std::uint32_t block_index(unsigned index, std::size_t offset) noexcept {
  return static_cast<std::uint32_t>((static_cast<std::uint64_t>(offset) * kTable[index].reciprocal) >> 40);
}

}  // namespace size_class

}  // namespace berth::core
