// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Layout: where the parts of an instance lie in its span. Two things are decided here. What an instance touches at
// birth shares a page, or two, and one page-table page, and lies inside one huge page's range without covering it. And
// instances are coloured: equal parts of neighbours lie in different lines and pages, because 64 instances that share
// an alignment share a cache set and a TLB set as well (a visit of 57 ns instead of 1.9).
#pragma once

#include <cstddef>
#include <cstdint>

#include "arenas/arena.hpp"

namespace berth::core {

struct Layout {
  Arena::Geometry geometry;
  char* instance;
  char* window_low;  // accessible at birth
  char* window_high;
  char* caches;  // of slot 0, which is not there: slot 1 is the first
  std::uint32_t slots;
};

namespace layout {

inline constexpr std::size_t kMinSpan = std::size_t{1} << 20;
inline constexpr std::size_t kMaxSpan = std::size_t{8} << 40;  // the pagemap's indexes have 31 bits
inline constexpr std::size_t kDefaultSpan = std::size_t{64} << 30;
inline constexpr std::size_t kSmallestDefaultSpan = std::size_t{16} << 20;
inline constexpr std::size_t kMinQuota = std::size_t{64} << 10;  // the books and a slab of one class

// 8 TiB shared among the live instances, as a power of two: 64 GiB each for the first 128 of them.
std::size_t default_span(std::size_t live_instances) noexcept;

// `span_bytes` is a multiple of the page size, between kMinSpan and kMaxSpan; the bottom `books_bytes` of it are left
// to the states of blocks and to samples.
Layout plan(char* base, std::size_t span_bytes, std::uint64_t colour, std::size_t books_bytes = 0) noexcept;

}  // namespace layout

}  // namespace berth::core
