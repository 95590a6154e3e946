// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Census: which blocks are live? What was cut from slabs, without what lies in any free list.
#pragma once

#include "allocator/instance.hpp"

namespace berth::core {

using BlockVisitor = bool (*)(void* context, void* block, std::size_t usable_size);  // false stops

// Exact when the instance is quiet. Takes a temporary reservation of a 64th of the memory in use. OutOfMemory,
// AddressSpace, or Ok.
Status visit_live_blocks(Instance& instance, BlockVisitor visitor, void* context) noexcept;

}  // namespace berth::core
