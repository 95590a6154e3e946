// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
#include "allocator/layout.hpp"

#include <algorithm>
#include <bit>

#include "allocator/instance.hpp"

namespace berth::core::layout {

namespace {

constexpr std::size_t kHugePage = std::size_t{2} << 20;
constexpr std::size_t kLine = 64;
// An instance begins in any line of its page but the first ones and the last: the bins of the smallest blocks before
// it, and the two lines that every operation reads, lie in the same page.
constexpr std::size_t kFirstLine = 1088;
constexpr std::size_t kLineColours = 32;
static_assert(sizeof(ThreadCache) - offsetof(ThreadCache, bins[kClasses - 15]) <= kFirstLine);
static_assert(kFirstLine + (kLineColours + 1) * kLine <= pal::kPageSize);
constexpr std::size_t kFirstPages = std::size_t{256} << 10;  // for blocks, accessible at birth
// Books begin in any page of a huge page's range that leaves room for the first blocks before them, and as much behind
// them. One instance after the other goes by a stride: in neighbouring pages they would crowd into the same sets of the
// TLB (a visit of 6.4 ns instead of 5.4 among 64 instances, of 20 instead of 6.6 among 256; measured on Zen, where an
// odd stride whose remainder by 64 is far from 0 and from 64 did equally well).
constexpr std::size_t kPageColours = (kHugePage - 2 * kFirstPages) / pal::kPageSize;
constexpr std::size_t kPageStride = 213;
constexpr std::size_t kAllInstances = std::size_t{8} << 40;
constexpr std::size_t kSpanPerSlot = std::size_t{256} << 10;

std::uintptr_t align_down(std::uintptr_t value, std::size_t alignment) noexcept { return value & ~(alignment - 1); }

}  // namespace

std::size_t default_span(std::size_t live_instances) noexcept {
  const std::size_t share = kAllInstances / std::max<std::size_t>(live_instances, 1);
  return std::clamp(std::bit_floor(share), kSmallestDefaultSpan, kDefaultSpan);
}

Layout plan(char* base, std::size_t span_bytes, std::uint64_t colour, std::size_t books_bytes) noexcept {
  Layout result{};
  result.slots = static_cast<std::uint32_t>(
      std::min<std::size_t>(span_bytes / kSpanPerSlot, Instance::kThreadSlots + kMaxThreads));
  result.caches = base + span_bytes - std::size_t{result.slots} * kCacheStride;
  char* const ceiling = result.caches + kCacheStride;

  // Books of the largest possible size end at the ceiling. A large span then moves them to their page in a huge one.
  const std::size_t entries = (span_bytes / pal::kPageSize + 1) * sizeof(PageEntry);
  std::uintptr_t zeroth = align_down(
      reinterpret_cast<std::uintptr_t>(ceiling - sizeof(Instance) - entries) - pal::kPageSize, pal::kPageSize);
  if (span_bytes >= 32 * kHugePage) {
    zeroth = align_down(zeroth, kHugePage) - kFirstPages - colour * kPageStride % kPageColours * pal::kPageSize;
  } else {
    zeroth -= (colour % 8) * pal::kPageSize;
  }
  result.instance =
      reinterpret_cast<char*>(zeroth + kFirstLine + Instance::kOffsetInLine + colour % kLineColours * kLine);
  const auto lowest = reinterpret_cast<std::uintptr_t>(result.instance - sizeof(ThreadCache) - sizeof(TakenSlots));
  char* const top = reinterpret_cast<char*>(align_down(lowest, pal::kPageSize));
  auto* entries_at = reinterpret_cast<PageEntry*>(result.instance + sizeof(Instance));
  result.geometry = {base + books_bytes, top, reinterpret_cast<char*>(zeroth), entries_at, ceiling};

  // As far as the entry of the gap below top, and to the end of its page.
  const std::size_t first_entries = (zeroth - reinterpret_cast<std::uintptr_t>(top)) / pal::kPageSize + 2;
  const std::uintptr_t books_end = reinterpret_cast<std::uintptr_t>(entries_at + first_entries) + pal::kPageSize - 1;
  result.window_high = reinterpret_cast<char*>(align_down(books_end, pal::kPageSize));
  const auto below = static_cast<std::size_t>(top - result.geometry.floor);
  result.window_low = top - std::min(kFirstPages, below / 2 / pal::kPageSize * pal::kPageSize);
  return result;
}

}  // namespace berth::core::layout
