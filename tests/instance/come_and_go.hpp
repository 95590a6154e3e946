// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Large blocks that come and go.
#pragma once

#include <bit>
#include <cstddef>
#include <cstring>

#include "fixtures.hpp"

namespace fixtures {

// Allocates and frees in each way; false: no memory, or zeros that are none.
inline bool come_and_go(berth_allocator* handle, std::size_t size) {
  for (int round = 0; round < 100; ++round) {
    auto* block = static_cast<unsigned char*>(berth_malloc(handle, size));
    if (block == nullptr) return false;
    std::memset(block, 0xAB, size);
    berth_free(handle, block);
    block = static_cast<unsigned char*>(berth_calloc(handle, 1, size));
    if (block == nullptr || !all_bytes_are(block, size, 0)) return false;
    std::memset(block, 0xCD, size);
    block = static_cast<unsigned char*>(berth_realloc(handle, block, size / 2));
    if (block == nullptr) return false;
    block = static_cast<unsigned char*>(berth_realloc(handle, block, size));
    if (block == nullptr) return false;
    berth_free(handle, block);
    block = static_cast<unsigned char*>(berth_aligned_alloc(handle, std::bit_floor(size), size));
    if (block == nullptr) return false;
    std::memset(block, 0xEF, size);
    berth_free(handle, block);
  }
  return true;
}

}  // namespace fixtures
