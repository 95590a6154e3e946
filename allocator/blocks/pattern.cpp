// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
#include "allocator/blocks/pattern.hpp"

#include <algorithm>

namespace berth::core::pattern {

namespace {

constexpr std::uintptr_t kPairMask = sizeof(PatternPair) - 1;

unsigned char byte_at(const char* address, Pattern pattern) noexcept {
  return static_cast<unsigned char>(pattern >> (reinterpret_cast<std::uintptr_t>(address) % kBytes * 8));
}

bool bytes_hold(const char* from, const char* to, Pattern pattern) noexcept {
  for (; from != to; ++from) {
    if (static_cast<unsigned char>(*from) != byte_at(from, pattern)) return false;
  }
  return true;
}

void fill_bytes(char* from, const char* to, Pattern pattern) noexcept {
  for (; from != to; ++from) *from = static_cast<char>(byte_at(from, pattern));
}

// How much of a range comes before its first pair, and how much is pairs.
struct Parts {
  std::size_t head, pairs;
  Parts(const char* from, const char* to) noexcept {
    const auto all = static_cast<std::size_t>(to - from);
    head = std::min<std::size_t>((0 - reinterpret_cast<std::uintptr_t>(from)) & kPairMask, all);
    pairs = (all - head) & ~kPairMask;
  }
};

}  // namespace

void fill(char* from, const char* to, Pattern pattern) noexcept {
  const Parts parts(from, to);
  char* const pairs = from + parts.head;
  fill_bytes(from, pairs, pattern);
  if (parts.pairs != 0) fill_pairs(pairs, parts.pairs, PatternPair{pattern, pattern});
  fill_bytes(pairs + parts.pairs, to, pattern);
}

bool holds(const char* from, const char* to, Pattern pattern) noexcept {
  const Parts parts(from, to);
  const char* const pairs = from + parts.head;
  return bytes_hold(from, pairs, pattern) &&
         (parts.pairs == 0 || pairs_hold(pairs, parts.pairs, PatternPair{pattern, pattern})) &&
         bytes_hold(pairs + parts.pairs, to, pattern);
}

}  // namespace berth::core::pattern
