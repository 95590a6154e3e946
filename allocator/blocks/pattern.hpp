// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Patterns, at GUARDED: what free small blocks and canaries are filled with, so that a write shows. Eight bytes drawn
// at random, again and again, each where its address says. None of them is a byte that plugins write most: all are
// between 0x80 and 0xfe, so that zeros, small numbers, text and ones always show.
#pragma once

#include <cstddef>
#include <cstdint>

#include "arenas/asan.hpp"

namespace berth::core::pattern {

using Pattern = std::uint64_t;
inline constexpr std::size_t kBytes = sizeof(Pattern);

inline Pattern from_random(std::uint64_t bits) noexcept {
  Pattern pattern = bits | 0x8080808080808080;
  for (unsigned shift = 0; shift < 64; shift += 8) {
    if (((pattern >> shift) & 0xff) == 0xff) pattern ^= std::uint64_t{1} << shift;
  }
  return pattern;
}

// The loops go by pairs of words. They may alias whatever the plugin had there.
typedef std::uint64_t PatternPair __attribute__((vector_size(16), may_alias));

// Of ranges that begin and end at multiples of 16.
BERTH_UNWATCHED inline void fill_pairs(void* from, void* to, Pattern pattern) noexcept {
  const PatternPair pair = {pattern, pattern};
  auto* const end = static_cast<PatternPair*>(to);
#pragma GCC unroll 4
  for (auto* at = static_cast<PatternPair*>(from); at != end; ++at) *at = pair;
}

BERTH_UNWATCHED inline bool pairs_hold(const void* from, const void* to, Pattern pattern) noexcept {
  const PatternPair pair = {pattern, pattern};
  PatternPair difference = {0, 0};
  const auto* const end = static_cast<const PatternPair*>(to);
#pragma GCC unroll 4
  for (const auto* at = static_cast<const PatternPair*>(from); at != end; ++at) difference |= *at ^ pair;
  return (difference[0] | difference[1]) == 0;
}

// Of any range.
void fill(char* from, const char* to, Pattern pattern) noexcept;
bool holds(const char* from, const char* to, Pattern pattern) noexcept;

// --- free small blocks ----------------------------------------------------------------------------------------------

// The first bytes of a free block are its link and the seal of that; the others have the pattern. AddressSanitizer
// tells of a write to them at once.
inline constexpr std::size_t kLinkBytes = 16;

inline void fill_free(void* block, std::size_t bytes, Pattern pattern) noexcept {
  if (asan::kPresent || bytes <= kLinkBytes) return;
  char* const start = static_cast<char*>(block);
  fill_pairs(start + kLinkBytes, start + bytes, pattern);
}

inline bool holds_free(const void* block, std::size_t bytes, Pattern pattern) noexcept {
  if (asan::kPresent || bytes <= kLinkBytes) return true;
  const char* const start = static_cast<const char*>(block);
  return pairs_hold(start + kLinkBytes, start + bytes, pattern);
}

}  // namespace berth::core::pattern
