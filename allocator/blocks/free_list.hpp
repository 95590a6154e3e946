// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Free lists: a free block's first word holds the next one, encoded with a key of the instance ("metadata is out of
// line"), so that a use after free neither reads nor plants an address that means anything.
//
// Above FAST the second word is a seal of the first. Both hang on where the block lies and on secrets of the instance
// that lie in its books, never in its blocks: whoever has written to either word, or copied both from elsewhere, shows,
// and both words of one block tell nobody how to make those of another, or another pair for the same one. What nobody
// can see in a block is that its own words of an earlier time were put back; block states see that (small_blocks.hpp).
#pragma once

#include <cstdint>

#include "arenas/asan.hpp"

namespace berth::core::free_list {

// By the compiler's own name: what routes malloc is compiled with -fno-builtin, and would call the C library for a
// word.

BERTH_UNWATCHED inline void* next(const void* block, std::uintptr_t key) noexcept {
  std::uintptr_t link = 0;
  __builtin_memcpy(&link, block, sizeof(link));
  return reinterpret_cast<void*>(link ^ key);
}

BERTH_UNWATCHED inline void set_next(void* block, const void* next, std::uintptr_t key) noexcept {
  const std::uintptr_t link = reinterpret_cast<std::uintptr_t>(next) ^ key;
  __builtin_memcpy(block, &link, sizeof(link));
}

// Of an instance; constant, and not 0.
struct Secrets {
  std::uint64_t place[2];
  std::uint64_t seal[2];
};

// Both halves of a product, which depend on all bits of both factors.
inline std::uint64_t fold(std::uint64_t a, std::uint64_t b) noexcept {
  __extension__ using Wide = unsigned __int128;
  const Wide product = Wide{a} * b;
  return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
}

// What encodes the link of a block in this place.
inline std::uint64_t pad_of(const void* block, const Secrets& secrets) noexcept {
  return fold(reinterpret_cast<std::uintptr_t>(block) ^ secrets.place[0], secrets.place[1]);
}
inline std::uint64_t seal_of(std::uint64_t next, std::uint64_t pad, const Secrets& secrets) noexcept {
  return fold(next ^ secrets.seal[0], pad ^ secrets.seal[1]);
}

// As next(); `sealed` tells whether both words are those that were written there.
BERTH_UNWATCHED inline void* sealed_next(const void* block, const Secrets& secrets, bool& sealed) noexcept {
  std::uint64_t words[2];
  __builtin_memcpy(words, block, sizeof(words));
  const std::uint64_t pad = pad_of(block, secrets);
  const std::uint64_t next = words[0] ^ pad;
  sealed = words[1] == seal_of(next, pad, secrets);
  return reinterpret_cast<void*>(next);
}

BERTH_UNWATCHED inline void set_sealed_next(void* block, const void* next, const Secrets& secrets) noexcept {
  const std::uint64_t pad = pad_of(block, secrets);
  const std::uint64_t address = reinterpret_cast<std::uintptr_t>(next);
  const std::uint64_t words[2] = {address ^ pad, seal_of(address, pad, secrets)};
  __builtin_memcpy(block, words, sizeof(words));
}

}  // namespace berth::core::free_list
