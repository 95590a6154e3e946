// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Large blocks: whole pages from the arena, one run a block. One that grows stays where it is when what follows is
// free; else its pages move instead of its bytes, or a small one is copied. Either place has room for the next growths.
//
// Above FAST the word of its first page also keeps how much of it was asked for, for sized frees:
//     58..46 | 45       | 44..32
//       0    | measured | bytes that it has over those that were asked for
#pragma once

#include "allocator/blocks/known_sizes.hpp"
#include "allocator/instance.hpp"

namespace berth::core::large_blocks {

// `zero` tells whether the block reads as zero. Null: no memory.
void* allocate(Instance& instance, std::size_t alignment, std::size_t size, bool& zero) noexcept;

// For a block that has grown out of its place.
void* allocate_to_grow(Instance& instance, std::size_t size) noexcept;

// False: the address is not the start of a live large block.
bool deallocate(Instance& instance, void* block) noexcept;

// Makes a live block of `old_size` usable bytes hold `size`, where it is or, if it may, by moving its pages. Null: it
// stays as it was.
void* resize(Instance& instance, void* block, std::size_t old_size, std::size_t size, bool may_move) noexcept;

// Above FAST: `size` bytes were asked for. By whoever has just got the block, or has resized it.
void set_asked(Instance& instance, const void* block, std::size_t size) noexcept;

// Above FAST: the plugin was told the usable size, which it may give to a sized free from now on.
void set_measured(Instance& instance, const void* block) noexcept;

// By the word of the block's first page.
KnownSizes sizes(std::uint64_t word) noexcept;

// Pages that a request takes.
inline std::uint64_t pages(std::size_t size) noexcept { return size == 0 ? 1 : pages_for(size); }

}  // namespace berth::core::large_blocks
