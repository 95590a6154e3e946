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
constexpr std::size_t kLineColours = 16;
constexpr std::size_t kPageColours = 64;
constexpr std::size_t kFirstPages = std::size_t{256} << 10;  // for blocks, accessible at birth
constexpr std::size_t kAllInstances = std::size_t{8} << 40;
constexpr std::size_t kSpanPerSlot = std::size_t{256} << 10;

std::uintptr_t align_down(std::uintptr_t value, std::size_t alignment) noexcept { return value & ~(alignment - 1); }

}  // namespace

std::size_t default_span(std::size_t live_instances) noexcept {
  const std::size_t share = kAllInstances / std::max<std::size_t>(live_instances, 1);
  return std::clamp(std::bit_floor(share), kSmallestDefaultSpan, kDefaultSpan);
}

Layout plan(char* base, std::size_t span_bytes, std::uint64_t colour) noexcept {
  Layout result{};
  char* end = base + span_bytes;
  result.slots = static_cast<std::uint32_t>(
      std::min<std::size_t>(span_bytes / kSpanPerSlot, Instance::kThreadSlots + kMaxThreads));
  result.caches = end - std::size_t{result.slots} * kCacheStride;
  char* ceiling = result.caches + kCacheStride;

  // Books of the largest possible size end at the ceiling. A large span then moves them into the middle of a huge
  // page's range, and a colour away from it.
  const std::size_t entries = (span_bytes / pal::kPageSize + 1) * sizeof(PageEntry);
  const std::size_t books = sizeof(Instance) + kLineColours * kLine + entries + pal::kPageSize;
  auto top = align_down(reinterpret_cast<std::uintptr_t>(ceiling - books), pal::kPageSize);
  if (span_bytes >= 32 * kHugePage) {
    top = align_down(top, kHugePage) - kHugePage / 2 - (colour % kPageColours) * pal::kPageSize;
  } else {
    top -= (colour % 8) * pal::kPageSize;
  }
  char* top_address = reinterpret_cast<char*>(top);
  result.instance = top_address + (colour % kLineColours) * kLine;
  auto* entries_at = reinterpret_cast<PageEntry*>(result.instance + sizeof(Instance));
  result.geometry = {base, top_address, entries_at, ceiling};

  // As far as entry 1, and to the end of its page.
  const std::uintptr_t books_end = reinterpret_cast<std::uintptr_t>(entries_at + 2) + pal::kPageSize - 1;
  result.window_high = reinterpret_cast<char*>(align_down(books_end, pal::kPageSize));
  const auto below = static_cast<std::size_t>(top_address - base);
  result.window_low = top_address - std::min(kFirstPages, below / 2 / pal::kPageSize * pal::kPageSize);
  return result;
}

}  // namespace berth::core::layout
