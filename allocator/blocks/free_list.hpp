// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Free lists: a free block's first word holds the next one, encoded with a key of the instance ("metadata is out of
// line"), so that a use after free neither reads nor plants an address that means anything. Above FAST the second word
// is a seal of the first, bound to the place: whoever has written to either word, or copied both, shows.
#pragma once

#include <cstdint>
#include <cstring>

#include "arenas/asan.hpp"

namespace berth::core::free_list {

BERTH_UNWATCHED inline void* next(const void* block, std::uintptr_t key) noexcept {
  std::uintptr_t link = 0;
  std::memcpy(&link, block, sizeof(link));
  return reinterpret_cast<void*>(link ^ key);
}

BERTH_UNWATCHED inline void set_next(void* block, const void* next, std::uintptr_t key) noexcept {
  const std::uintptr_t link = reinterpret_cast<std::uintptr_t>(next) ^ key;
  std::memcpy(block, &link, sizeof(link));
}

// Not zero, so that a block that is cleared, or that points at itself, does not pass for sealed.
inline constexpr std::uintptr_t kSealOffset = 0x2545f491;

// As next(); `sealed` tells whether both words are those that were written there.
BERTH_UNWATCHED inline void* sealed_next(const void* block, std::uintptr_t key, bool& sealed) noexcept {
  std::uintptr_t words[2];
  std::memcpy(words, block, sizeof(words));
  sealed = words[1] == words[0] + reinterpret_cast<std::uintptr_t>(block) + kSealOffset;
  return reinterpret_cast<void*>(words[0] ^ key);
}

BERTH_UNWATCHED inline void set_sealed_next(void* block, const void* next, std::uintptr_t key) noexcept {
  const std::uintptr_t link = reinterpret_cast<std::uintptr_t>(next) ^ key;
  const std::uintptr_t words[2] = {link, link + reinterpret_cast<std::uintptr_t>(block) + kSealOffset};
  std::memcpy(block, words, sizeof(words));
}

}  // namespace berth::core::free_list
