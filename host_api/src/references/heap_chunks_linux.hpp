// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Which blocks of the C library's heap are in use? What was freed keeps most of what it held: a pointer there is
// nobody's. glibc's heap is walked from its beginning, header by header; of another allocator's nothing is known.
#pragma once

#include <cstddef>
#include <cstdint>

#include "host_api/src/references/memory_map.hpp"

namespace berth::references {

struct HeapPlace {
  enum class Use : std::uint8_t { Unknown, InUse, Free };
  std::uintptr_t at = 0;
  std::size_t number = 0;  // the caller's
  Use use = Use::Unknown;
  std::uintptr_t block = 0;  // that holds it, as malloc has given it; 0: not known
  std::size_t bytes = 0;     // usable
};

// Sorts the places by address and fills in what is known. Nobody need stand still: the answer is of one moment, and
// Unknown where others have changed the heap meanwhile. False: no memory.
bool look_up_chunks(HeapPlace* places, std::size_t count) noexcept;

}  // namespace berth::references
