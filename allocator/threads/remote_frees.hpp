// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Remote frees: blocks that this thread frees and another cache owns. They are collected in a few buckets, one owner
// each, and sent as a whole: a bucket holds no more than 64 blocks and 32 KiB. The owner's stack is pushed by CAS and
// taken whole with an exchange, so it is consistent at every instant, for a forked child as well.
#pragma once

#include "allocator/instance.hpp"

namespace berth::core::remote_frees {

// Called by the owner of `cache`; `owner_slot` is the slot of the cache that owns the block.
void add(Instance& instance, ThreadCache& cache, std::uint32_t owner_slot, unsigned size_class, void* block) noexcept;

// The same by a thread that has no cache.
void send_one(Instance& instance, std::uint32_t owner_slot, unsigned size_class, void* block) noexcept;

// Sends everything that the buckets hold.
void send_all(Instance& instance, ThreadCache& cache) noexcept;

// All blocks that others have sent to this cache, as a list.
void* take(ThreadCache& cache) noexcept;

}  // namespace berth::core::remote_frees
