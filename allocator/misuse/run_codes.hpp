// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Run codes: one byte for each page of a run, from which both ends of the run are found in a number of steps that is
// logarithmic in its length. For readers who ask for one byte at a time, and may get nonsense.
//
//     7 | 6..5                               | 4..0
//     1 | which end, and whether it is there | exponent of the step towards it
//
// A page of the first half tells the greatest power of two that does not lead beyond the first page, one of the second
// half the same for the last page. The first page leads into the second half and the last page into the first one, by
// the greatest power of two that does not lead beyond the other end. Bytes below kLeast are somebody else's.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>

namespace berth::core::run_codes {

inline constexpr std::uint8_t kLeast = 0x80;

enum class Kind : std::uint8_t { ToFirst, ToLast, First, Last };

inline constexpr std::uint8_t make(Kind kind, unsigned exponent) noexcept {
  return static_cast<std::uint8_t>(kLeast | (static_cast<unsigned>(kind) << 5) | exponent);
}
inline constexpr Kind kind(std::uint8_t code) noexcept { return static_cast<Kind>((code >> 5) & 3); }
inline constexpr std::uint64_t step(std::uint8_t code) noexcept { return std::uint64_t{1} << (code & 31); }

inline constexpr std::uint8_t kAlone = make(Kind::Last, 31);  // a run has at most 2^31 pages

// Codes descend from the first page's, as the entries of a pagemap do.
inline void write(std::uint8_t* first, std::uint64_t pages) noexcept {
  if (pages == 1) {
    *first = kAlone;
    return;
  }
  const std::uint64_t last = pages - 1;
  const auto exponent = [](std::uint64_t distance) { return static_cast<unsigned>(std::bit_width(distance)) - 1; };
  for (std::uint64_t low = 1; low <= last / 2; low *= 2) {
    const std::uint64_t high = std::min(low * 2 - 1, last / 2);
    std::memset(first - high, make(Kind::ToFirst, exponent(low)), static_cast<std::size_t>(high - low + 1));
  }
  for (std::uint64_t low = 1; low <= (last - 1) / 2; low *= 2) {
    const std::uint64_t high = std::min(low * 2 - 1, (last - 1) / 2);
    std::memset(first - last + low, make(Kind::ToLast, exponent(low)), static_cast<std::size_t>(high - low + 1));
  }
  *first = make(Kind::First, exponent(last));
  *(first - last) = make(Kind::Last, exponent(last));
}

// The two ends of the run in which the byte of this index lies, asking `read` for bytes by their index. False: it lies
// in none, or what was read makes no sense.
template <typename Read>
bool find_ends(std::uint64_t index, Read read, std::uint64_t& first, std::uint64_t& last) noexcept {
  constexpr int kMostSteps = 4 * 32;
  bool knows_first = false;
  bool knows_last = false;
  std::uint64_t at = index;
  for (int steps = 0; steps < kMostSteps; ++steps) {
    const std::uint8_t code = read(at);
    if (code < kLeast) return false;
    if (code == kAlone) {
      first = last = at;
      return at == index;
    }
    if (kind(code) == Kind::First) {
      first = at;
      knows_first = true;
    } else if (kind(code) == Kind::Last) {
      last = at;
      knows_last = true;
    }
    if (knows_first && knows_last) return last <= index && index <= first;
    if (kind(code) == Kind::ToFirst || kind(code) == Kind::Last) {
      at += step(code);
    } else if (at >= step(code)) {
      at -= step(code);
    } else {
      return false;
    }
  }
  return false;
}

}  // namespace berth::core::run_codes
