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

// A pair as it lies in an instance's books.
struct PairBytes {
  Pattern words[2];
};

namespace detail {

inline PatternPair* pair_at(void* start, std::size_t offset) noexcept {
  return reinterpret_cast<PatternPair*>(static_cast<char*>(start) + offset);
}
BERTH_UNWATCHED inline PatternPair pair_at(const void* start, std::size_t offset) noexcept {
  return *reinterpret_cast<const PatternPair*>(static_cast<const char*>(start) + offset);
}

inline constexpr std::size_t kRound = 4 * sizeof(PatternPair);

BERTH_UNWATCHED inline void fill_round(void* start, std::size_t offset, PatternPair pair) noexcept {
  *pair_at(start, offset) = pair;
  *pair_at(start, offset + 16) = pair;
  *pair_at(start, offset + 32) = pair;
  *pair_at(start, offset + 48) = pair;
}

BERTH_UNWATCHED inline PatternPair differences_of_round(const void* start, std::size_t offset,
                                                        PatternPair pair) noexcept {
  return ((pair_at(start, offset) ^ pair) | (pair_at(start, offset + 16) ^ pair)) |
         ((pair_at(start, offset + 32) ^ pair) | (pair_at(start, offset + 48) ^ pair));
}

// Of what is no longer than a round: where its second pair begins, and its last but one; some of them are the same.
inline std::size_t second_pair(std::size_t bytes) noexcept { return bytes < 32 ? bytes - 16 : 16; }
inline std::size_t last_but_one(std::size_t bytes) noexcept { return bytes < 32 ? 0 : bytes - 32; }

inline bool are_none(PatternPair differences) noexcept { return (differences[0] | differences[1]) == 0; }

}  // namespace detail

inline PatternPair pair_of(const PairBytes& bytes) noexcept {
  PatternPair pair;
  __builtin_memcpy(&pair, &bytes, sizeof(pair));
  return pair;
}

// Both of a range that begins at a multiple of 16 and is a multiple of 16 long, but not empty. Its last pairs are taken
// together, whether or not some of them had their turn: most ranges need no loop.
BERTH_UNWATCHED inline void fill_pairs(void* start, std::size_t bytes, PatternPair pair) noexcept {
  if (bytes <= detail::kRound) {
    *detail::pair_at(start, 0) = pair;
    *detail::pair_at(start, detail::second_pair(bytes)) = pair;
    *detail::pair_at(start, detail::last_but_one(bytes)) = pair;
    *detail::pair_at(start, bytes - 16) = pair;
    return;
  }
  const std::size_t last = bytes - detail::kRound;
  for (std::size_t offset = 0; offset < last; offset += detail::kRound) detail::fill_round(start, offset, pair);
  detail::fill_round(start, last, pair);
}

BERTH_UNWATCHED inline bool pairs_hold(const void* start, std::size_t bytes, PatternPair pair) noexcept {
  if (bytes <= detail::kRound) {
    return detail::are_none(
        ((detail::pair_at(start, 0) ^ pair) | (detail::pair_at(start, detail::second_pair(bytes)) ^ pair)) |
        ((detail::pair_at(start, detail::last_but_one(bytes)) ^ pair) | (detail::pair_at(start, bytes - 16) ^ pair)));
  }
  const std::size_t last = bytes - detail::kRound;
  PatternPair differences = detail::differences_of_round(start, last, pair);
  for (std::size_t offset = 0; offset < last; offset += detail::kRound) {
    differences |= detail::differences_of_round(start, offset, pair);
  }
  return detail::are_none(differences);
}

// Of any range.
void fill(char* from, const char* to, Pattern pattern) noexcept;
bool holds(const char* from, const char* to, Pattern pattern) noexcept;

// --- free small blocks ----------------------------------------------------------------------------------------------

// The first bytes of a free block are its link and the seal of that; the others have the pattern. AddressSanitizer
// tells of a write to them at once.
inline constexpr std::size_t kLinkBytes = 16;

// Most blocks are short: up to 48 bytes, of which two pairs are all that is filled, or one. A function that knows them
// has no loop, and needs no registers for one; and whatever was asked for tells how long they are.
enum class Length : std::uint8_t { Short, Any };
inline constexpr std::size_t kMostOfShort = kLinkBytes + 2 * sizeof(PatternPair);

namespace detail {
inline std::size_t last_pair_of_short(std::size_t bytes) noexcept { return (bytes - 1) & ~(sizeof(PatternPair) - 1); }
}  // namespace detail

// Of a block of so many bytes; of a Short one also of as many as were asked for.
template <Length kLength>
BERTH_UNWATCHED inline void fill_free(void* block, std::size_t bytes, const PairBytes& pattern) noexcept {
  if (asan::kPresent || bytes <= kLinkBytes) return;
  const PatternPair pair = pair_of(pattern);
  if constexpr (kLength == Length::Short) {
    *detail::pair_at(block, kLinkBytes) = pair;
    *detail::pair_at(block, detail::last_pair_of_short(bytes)) = pair;
  } else {
    fill_pairs(static_cast<char*>(block) + kLinkBytes, bytes - kLinkBytes, pair);
  }
}

template <Length kLength>
BERTH_UNWATCHED inline bool holds_free(const void* block, std::size_t bytes, const PairBytes& pattern) noexcept {
  if (asan::kPresent || bytes <= kLinkBytes) return true;
  const PatternPair pair = pair_of(pattern);
  if constexpr (kLength == Length::Short) {
    return detail::are_none((detail::pair_at(block, kLinkBytes) ^ pair) |
                            (detail::pair_at(block, detail::last_pair_of_short(bytes)) ^ pair));
  }
  return pairs_hold(static_cast<const char*>(block) + kLinkBytes, bytes - kLinkBytes, pair);
}

}  // namespace berth::core::pattern
