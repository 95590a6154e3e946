// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Free lists: a free block's first word holds the next one, encoded with a key of the instance (law 3), so that a use
// after free neither reads nor plants an address that means anything.
#pragma once

#include <cstdint>
#include <cstring>

namespace berth::core::free_list {

inline void* next(const void* block, std::uintptr_t key) noexcept {
  std::uintptr_t link = 0;
  std::memcpy(&link, block, sizeof(link));
  return reinterpret_cast<void*>(link ^ key);
}

inline void set_next(void* block, const void* next, std::uintptr_t key) noexcept {
  const std::uintptr_t link = reinterpret_cast<std::uintptr_t>(next) ^ key;
  std::memcpy(block, &link, sizeof(link));
}

}  // namespace berth::core::free_list
