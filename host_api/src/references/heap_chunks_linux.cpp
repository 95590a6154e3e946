// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// glibc's malloc/malloc.c and arena.c: a chunk has two words before the block, the second of which is its size with
// flags, the lowest one set where the chunk before it is in use. What tcache and fast bins hold counts as in use, and
// is known by its first word: the address of the next free one, encoded with its own place (2.32 and later).
#include "host_api/src/references/heap_chunks_linux.hpp"

#include <algorithm>

#include "arenas/pal/pal.hpp"
#include "host_api/src/references/scratch.hpp"

namespace berth::references {

namespace {

constexpr std::size_t kWord = sizeof(std::uintptr_t);
constexpr std::size_t kHeader = 2 * kWord;
constexpr std::uintptr_t kAlignment = 16;
constexpr std::uintptr_t kFlags = 7;
constexpr std::uintptr_t kPreviousInUse = 1;
constexpr std::size_t kLeast = 32;
constexpr std::size_t kMostCached = 0x420;  // the largest chunk that tcache takes

// Memory by copies: it may be unmapped while it is read.
class Window {
 public:
  bool open() noexcept {
    memory_ = scratch(kBytes);
    return static_cast<bool>(memory_);
  }
  bool word(std::uintptr_t at, std::uintptr_t& out) noexcept {
    if (at - begin_ >= filled_) {
      begin_ = at & ~(pal::kPageSize - 1);
      filled_ = 0;
      for (std::size_t wanted = kBytes; wanted >= pal::kPageSize && filled_ == 0; wanted /= 2) {
        if (pal::read_memory(reinterpret_cast<const void*>(begin_), memory_.base(), wanted)) filled_ = wanted;
      }
      if (filled_ == 0) return false;
    }
    out = *reinterpret_cast<const std::uintptr_t*>(memory_.base() + (at - begin_));
    return true;
  }

 private:
  static constexpr std::size_t kBytes = 16 * pal::kPageSize;
  core::Span memory_;
  std::uintptr_t begin_ = 0;
  std::size_t filled_ = 0;
};

class Walk {
 public:
  Walk(const MemoryMap& map, UsedPages& used, Window& window) noexcept : map_(map), used_(used), window_(window) {}

  void heap(const Region& region, HeapPlace* first, HeapPlace* last) noexcept {
    if (region.heap) {
      // The main one: what was told before a word that is no header stays true.
      chunks((region.begin + kAlignment - 1) & ~(kAlignment - 1), region.end, first, last);
      return;
    }
    std::uintptr_t bytes = 0;  // heap_info: arena, heap before it, size
    if (!window_.word(region.begin + 2 * kWord, bytes) || bytes > region.end - region.begin) return;
    // The chunks begin behind heap_info and, in an arena's first heap, the arena: where is another thing in each
    // version, but only from there do they lead to the end.
    constexpr std::uintptr_t kFarthest = 0x1000;
    for (std::uintptr_t start = region.begin + 2 * kHeader; start < region.begin + kFarthest; start += kAlignment) {
      if (chunks(start, region.begin + bytes, first, last)) return;
      for (HeapPlace* place = first; place != last; ++place) place->use = HeapPlace::Use::Unknown;
    }
  }

 private:
  // True: each chunk has led to the next one, and the last to the end.
  bool chunks(std::uintptr_t at, std::uintptr_t end, HeapPlace* place, HeapPlace* last) noexcept {
    while (at < end) {
      std::uintptr_t header = 0;
      if (!window_.word(at + kWord, header)) return false;
      const std::uintptr_t size = header & ~kFlags;
      if (size <= kHeader) {  // a fence at the end of a heap that is full
        if (size == 0 && at + kHeader != end) return false;
        at += kHeader;
        continue;
      }
      if (size < kLeast || size % kAlignment != 0 || size > end - at) return false;
      const std::uintptr_t next = at + size;
      const std::uintptr_t block = at + kHeader;
      const std::uintptr_t block_end = next + kWord;
      while (place != last && place->at < block) ++place;
      if (place != last && place->at < block_end) {
        std::uintptr_t behind = 0;  // the last one has none: it is what is not given out yet
        const bool used = next < end && window_.word(next + kWord, behind) && (behind & kPreviousInUse) != 0;
        const bool free = !used || (size <= kMostCached && is_cached(block));
        for (; place != last && place->at < block_end; ++place) {
          place->use = free ? HeapPlace::Use::Free : HeapPlace::Use::InUse;
          place->block = block;
          place->bytes = size - kWord;
        }
      }
      at = next;
    }
    return true;
  }

  bool is_cached(std::uintptr_t block) noexcept {
    std::uintptr_t first = 0;
    if (!window_.word(block, first)) return false;
    const std::uintptr_t next = (block >> 12) ^ first;
    if (next == 0) return true;
    if (next % kAlignment != 0) return false;
    return std::any_of(map_.begin(), map_.end(), [&](const Region& region) {
      return next >= region.begin && next < region.end && is_heap(region, used_);
    });
  }

  const MemoryMap& map_;
  UsedPages& used_;
  Window& window_;
};

}  // namespace

bool look_up_chunks(HeapPlace* places, std::size_t count) noexcept {
  HeapPlace* const end = places + count;
  std::sort(places, end, [](const HeapPlace& a, const HeapPlace& b) { return a.at < b.at; });
  MemoryMap map;
  Window window;
  if (!window.open() || !map.open() || map.read() != MemoryMap::Reading::Done) return false;
  UsedPages used;
  Walk walk(map, used, window);
  for (const Region& region : map) {
    const auto before = [](const HeapPlace& place, std::uintptr_t at) { return place.at < at; };
    HeapPlace* const first = std::lower_bound(places, end, region.begin, before);
    HeapPlace* const last = std::lower_bound(first, end, region.end, before);
    if (first != last && is_heap(region, used)) walk.heap(region, first, last);
  }
  return true;
}

}  // namespace berth::references
