// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Which live block of an instance does a word lead into? A sorted list of the live blocks, in memory of its own.
#pragma once

#include <cstddef>
#include <cstdint>

#include "allocator/instance.hpp"
#include "arenas/span.hpp"

namespace berth::references {

struct LiveBlock {
  std::uintptr_t start;
  std::size_t bytes;  // usable
};

class BlockIndex {
 public:
  // Lists the live blocks as they are now. Exact when the instance is quiet. OutOfMemory, AddressSpace, or Ok.
  core::Status open(core::Instance& instance) noexcept;

  std::size_t count() const noexcept { return count_; }

  // The block that holds the address, its first byte to its last usable one; null: none. Takes no lock.
  const LiveBlock* find(std::uintptr_t address) const noexcept;

  std::size_t number_of(const LiveBlock& block) const noexcept { return static_cast<std::size_t>(&block - blocks()); }

  // The memory that the list itself lies in, which no search may take for anybody's.
  const core::Span& memory() const noexcept { return memory_; }

 private:
  const LiveBlock* blocks() const noexcept { return reinterpret_cast<const LiveBlock*>(memory_.base()); }

  core::Span memory_;
  std::size_t count_ = 0;
};

}  // namespace berth::references
