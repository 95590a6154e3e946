// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// The last step of every allocation in builds with AddressSanitizer, and no step at all in others.
#pragma once

#include "allocator/large_blocks.hpp"
#include "allocator/size_classes.hpp"
#include "arenas/asan.hpp"

namespace berth::core {

// The block of a request, or null: what was asked for becomes accessible, the rest of the block does not.
inline void* hand_out(void* block, [[maybe_unused]] std::size_t alignment, [[maybe_unused]] std::size_t size) noexcept {
  if constexpr (asan::kPresent) {
    if (block == nullptr) return nullptr;
    const unsigned size_class = size_class::of_request(alignment, size);
    asan::poison(block, size_class != kNoClass ? size_class::kTable[size_class].block_bytes
                                               : large_blocks::pages(size) * pal::kPageSize);
    asan::unpoison(block, size);
  }
  return block;
}

}  // namespace berth::core
