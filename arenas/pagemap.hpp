// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Pagemap: what is this page? A flat array over the span alone, of one entry of 16 bytes a page, touched only where
// pages are used; it ends with the span. Blocks grow down from `top`, the array grows up from above it:
//
//     base              window                                                        end
//      | inaccessible  | pages  ...  page 2 | page 1 | books | entry 0 | entry 1 ... | inaccessible |
//                                                    ^ top
//
// so both ends of the accessible window move outwards and the mapping stays one. Entry k is the page k pages below top.
//
// Bits of PageEntry::word:
//     63 | 62..60 | 59    | 58..32           | 31..0
//      1 | kind   | moved | the allocator's  | order of a free block, pages of a run   the arena's (below)
//      0 | not zero                                              the allocator's (allocator/blocks/slab.hpp)
//      0 | zero                                                  not the head of anything
// An entry that is not the head of something is zero. This makes split, merge and trim O(log n): no body is written.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "arenas/assert.hpp"
#include "arenas/pal/pal.hpp"

namespace berth::core {

// An address divided by the page size: absolute, so that a buddy block's alignment in memory is that of its number.
using PageNumber = std::uint64_t;

inline PageNumber page_number(const void* address) noexcept {
  return reinterpret_cast<std::uintptr_t>(address) >> pal::kPageShift;
}
inline char* page_address(PageNumber page) noexcept { return reinterpret_cast<char*>(page << pal::kPageShift); }

inline constexpr std::size_t pages_for(std::size_t bytes) noexcept {
  return (bytes >> pal::kPageShift) + ((bytes & (pal::kPageSize - 1)) != 0 ? 1 : 0);
}

struct PageEntry {
  // Written by the arena under its lock or by the owner of a slab; read by any thread that frees. Relaxed: who frees
  // a block has got its pointer from the allocating thread, and with it everything that thread wrote before.
  std::atomic<std::uint64_t> word;
  // Links of a free block and the moved pages of a run under the arena's lock, or a part of the record of a slab for
  // its owner.
  std::uint64_t aux;
};
static_assert(sizeof(PageEntry) == 16);

enum class PageKind : std::uint8_t {
  None = 0,     // a body, or the allocator's
  Clean = 1,    // free, without memory: reads as zero
  Dirty = 2,    // free, its memory kept ready
  Run = 3,      // handed out
  Fixed = 4,    // never handed out
  Stock = 5,    // free, in the stock of a real-time thread (allocator/threads/realtime.hpp)
  Parting = 6,  // a run that was handed back: on its way to who may free it, or kept (kept_runs.hpp)
  Guarded = 7   // handed out, and explained by the allocator (allocator/blocks/guarded_blocks.hpp)
};

namespace page_word {

inline constexpr std::uint64_t kArenaBit = std::uint64_t{1} << 63;
inline constexpr unsigned kKindShift = 60;
// A run with pages that were moved there (arena_moves.cpp); aux tells which.
inline constexpr std::uint64_t kMovedBit = std::uint64_t{1} << 59;
inline constexpr std::uint64_t kValueMask = (std::uint64_t{1} << 32) - 1;  // a span has at most 2^31 pages
inline constexpr std::uint64_t kKindMask = std::uint64_t{7} << kKindShift;

inline constexpr std::uint64_t make(PageKind kind, std::uint64_t value) noexcept {
  return kArenaBit | (static_cast<std::uint64_t>(kind) << kKindShift) | value;
}
inline constexpr PageKind kind(std::uint64_t word) noexcept {
  return (word & kArenaBit) == 0 ? PageKind::None : static_cast<PageKind>((word & ~kArenaBit) >> kKindShift);
}
inline constexpr std::uint64_t value(std::uint64_t word) noexcept { return word & kValueMask; }
inline constexpr bool is_moved(std::uint64_t word) noexcept { return (word & kMovedBit) != 0; }
// The same word of another kind.
inline constexpr std::uint64_t with_kind(std::uint64_t word, PageKind kind) noexcept {
  return make(kind, word & ~(kArenaBit | kKindMask));
}

static_assert(kind(make(PageKind::Fixed, 7)) == PageKind::Fixed && value(make(PageKind::Run, 7)) == 7);
static_assert(kind(0) == PageKind::None);

}  // namespace page_word

class Pagemap {
 public:
  Pagemap() noexcept = default;
  // Entry 0 stands for a page of the books, at or above the arena's top: entries above top exist and are always zero.
  Pagemap(PageEntry* zeroth, const char* zeroth_page) noexcept
      : zeroth_(zeroth), zeroth_page_(page_number(zeroth_page)) {}

  PageNumber zeroth_page() const noexcept { return zeroth_page_; }
  std::uint32_t index(PageNumber page) const noexcept { return static_cast<std::uint32_t>(zeroth_page_ - page); }
  PageNumber page(std::uint32_t index) const noexcept { return zeroth_page_ - index; }

  PageEntry& at(std::uint32_t index) const noexcept { return zeroth_[index]; }
  PageEntry& entry(PageNumber page) const noexcept { return zeroth_[zeroth_page_ - page]; }

  std::uint64_t word(PageNumber page) const noexcept { return entry(page).word.load(std::memory_order_relaxed); }
  void set_word(PageNumber page, std::uint64_t word) const noexcept {
    entry(page).word.store(word, std::memory_order_relaxed);
  }

  // The first byte above the entries of the pages from `lowest` up.
  char* end_of_entries(PageNumber lowest) const noexcept {
    return reinterpret_cast<char*>(zeroth_ + (zeroth_page_ - lowest) + 1);
  }

 private:
  PageEntry* zeroth_ = nullptr;
  PageNumber zeroth_page_ = 0;
};

}  // namespace berth::core
