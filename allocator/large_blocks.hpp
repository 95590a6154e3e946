// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Large blocks: whole pages from the arena, one run a block, resized where they are when what follows is free.
#pragma once

#include "allocator/instance.hpp"

namespace berth::core::large_blocks {

// `zero` tells whether the block reads as zero. Null: no memory.
void* allocate(Instance& instance, std::size_t alignment, std::size_t size, bool& zero) noexcept;

// False: the address is not the start of a live large block.
bool deallocate(Instance& instance, void* block) noexcept;

// Makes a live block hold `size` bytes without moving it. False: it stays as it was.
bool resize(Instance& instance, void* block, std::size_t size) noexcept;

// Pages that a request takes.
inline std::uint64_t pages(std::size_t size) noexcept { return size == 0 ? 1 : pages_for(size); }

}  // namespace berth::core::large_blocks
