// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Inspect: what lies at an address of an instance? Reads the pagemap, and above FAST the states of blocks, for messages
// and for visits.
#pragma once

#include <cstddef>
#include <cstdint>

#include "allocator/instance.hpp"
#include "allocator/misuse/text.hpp"

namespace berth::core {

enum class PlaceKind : std::uint8_t {
  Outside,
  Books,
  Unused,      // pages that never held a block
  Free,        // pages that a block was in
  SmallBlock,  // or guarded; live, at FAST perhaps in a free list
  FreedBlock,  // small or guarded, and not live
  SlabTail,    // what is left of a slab behind its last block
  LargeBlock   // live
};

struct Place {
  PlaceKind kind = PlaceKind::Outside;
  const char* block = nullptr;  // start of the block that holds the address
  std::size_t block_bytes = 0;
};

// [signal-safe]
Place inspect(Instance& instance, const void* address) noexcept;

// "block of 64 bytes at 0x... of "reverb"", for any address. [signal-safe]
void describe(const void* address, Text& text) noexcept;

// Adds, behind `prefix`, "reverb.so+0x1a2b" for an address in a loaded module; nothing for any other. [signal-safe]
void name_module(const void* address, Text& text, const char* prefix) noexcept;

}  // namespace berth::core
