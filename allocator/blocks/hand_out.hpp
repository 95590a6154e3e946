// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// The last step of every allocation: in builds with AddressSanitizer, and of guarded blocks. Of others it is none.
#pragma once

#include "allocator/blocks/large_blocks.hpp"
#include "allocator/blocks/size_classes.hpp"
#include "allocator/instance.hpp"
#include "arenas/asan.hpp"

namespace berth::core {

// The block of a request, or null: what was asked for is the caller's, what the block has over it is slack.
template <Hardening kLevel>
inline void* hand_out([[maybe_unused]] Instance& instance, void* block, [[maybe_unused]] std::size_t alignment,
                      [[maybe_unused]] std::size_t size) noexcept {
  if constexpr (asan::kPresent) {
    if (block == nullptr) return nullptr;
    const unsigned size_class = size_class::of_request(alignment, size);
    asan::poison(block, size_class != kNoClass ? size_class::kTable[size_class].block_bytes
                                               : large_blocks::pages(size) * pal::kPageSize);
    asan::unpoison(block, size);
  }
  if constexpr (kLevel == Hardening::Guarded) {
    const GuardedBlock guarded = block != nullptr ? guarded_blocks::at(instance, block) : GuardedBlock{};
    if (guarded.live) guarded_blocks::set_asked(instance, guarded, size);
  }
  return block;
}

}  // namespace berth::core
