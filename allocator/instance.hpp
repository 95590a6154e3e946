// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Instance: everything one plugin's allocator consists of, in the books of its own span ("one instance, one span"). The
// handle comes first, the first cache lies before it with its bins of small blocks last, and the pagemap follows the
// struct: so from a handle every part lies at a constant distance, and what each operation touches shares a page.
//
// A span, by ascending addresses (allocator/layout.hpp decides where exactly):
//
//   base                      top                                                                               end
//    | inaccessible <- blocks  | taken slots | first cache | Instance | pagemap ->   inaccessible   thread caches -> |
//
// Between base and the lowest place for blocks lie, above FAST, the states of blocks, and the room of the samples
// (allocator/sampling).
//
// Which of its locks may be taken under which: arenas/pal/lock_order.hpp.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "allocator/blocks/block_states.hpp"
#include "allocator/blocks/free_list.hpp"
#include "allocator/blocks/guarded_blocks.hpp"
#include "allocator/blocks/slab.hpp"
#include "allocator/misuse/findings.hpp"
#include "allocator/sampling/sampling.hpp"
#include "allocator/settings.hpp"
#include "allocator/threads/realtime.hpp"
#include "allocator/threads/thread_cache.hpp"
#include "arenas/arena.hpp"

namespace berth::core {

// Room for host_api's berth_allocator, of which this layer knows nothing else.
inline constexpr std::size_t kHandleBytes = 72;

// It begins in the middle of a line: what allocate reads, the owner of the first cache and the first half of the
// handle, is one line, and what deallocate reads, the second half and the three words behind it, is the next.
struct alignas(32) Instance {
  static constexpr std::size_t kOffsetInLine = 32;

  std::byte handle[kHandleBytes];

  // First index of the pagemap that must not be read. Written by the arena (release), read by every free, relaxed: a
  // block's owner has learnt a limit above it together with the block.
  std::atomic<std::uint64_t> page_limit;
  std::uintptr_t link_key;  // of the free lists at FAST; constant
  char* caches;             // cache s, from 1 on, lies at caches + s * kCacheStride; constant

  // Above FAST.
  free_list::Secrets link_secrets;  // constant
  BlockStates block_states;
  Findings findings;
  Guard guard;  // at GUARDED

  Arena arena;

  // Caches below this number are accessible. Grows under slots_lock (release); read by everyone (acquire).
  std::atomic<std::uint32_t> open_slots;
  std::uint32_t slots;  // how many the layout has room for; constant
  pal::Lock slots_lock{pal::LockRank::CacheSlots};
  pal::Lock shared_lock{pal::LockRank::SharedCache};  // guards the cache of slot kSharedSlot
  // Whether a thread was lately refused a cache of its own, and a tick that paces the next try. Any thread, relaxed:
  // hints.
  std::atomic<bool> cache_refused;
  Hardening hardening;  // constant; here it takes no room
  std::atomic<std::uint32_t> shared_uses;

  // Large blocks, and guarded ones. Changed by any thread with fetch_add, relaxed: statistics.
  std::atomic<std::size_t> large_blocks;
  std::atomic<std::size_t> large_bytes;
  std::atomic<std::uint64_t> large_allocations;
  std::atomic<std::uint64_t> large_deallocations;
  std::atomic<std::uint64_t> failed_allocations;
  // Small blocks freed by threads for which there was no cache; in the same way.
  std::atomic<std::uint64_t> direct_deallocations;
  std::atomic<std::uint64_t> direct_bytes;

  // Committed bytes at which a refill next looks for caches of dead threads; any thread, relaxed: a hint.
  std::atomic<std::size_t> next_collection;

  RealtimeBudget realtime;
  Sampling sampling;

  std::uint64_t id;
  InstanceHandle self;
  void* user_data;
  Handlers handlers;

  static constexpr std::uint32_t kFirstSlot = 0;
  static constexpr std::uint32_t kSharedSlot = 1;
  static constexpr std::uint32_t kThreadSlots = 2;  // slot of thread index 0

  // Slot 0: the creating thread's, or its heir's. It is always there.
  ThreadCache& first_cache() noexcept { return *(reinterpret_cast<ThreadCache*>(this) - 1); }

  // Which of the others are there.
  TakenSlots& taken_slots() noexcept { return *(reinterpret_cast<TakenSlots*>(&first_cache()) - 1); }

  ThreadCache& cache(std::uint32_t slot) noexcept {
    if (slot == kFirstSlot) return first_cache();
    return *reinterpret_cast<ThreadCache*>(caches + std::size_t{slot} * kCacheStride);
  }

  // Calls `visit` with each cache that is there.
  template <typename Visit>
  void for_each_cache(Visit visit) noexcept {
    visit(first_cache());
    const std::uint32_t open = open_slots.load(std::memory_order_acquire);
    for (std::uint32_t slot = kSharedSlot; slot < open; ++slot) {
      if (taken_slots().contains(slot)) visit(cache(slot));
    }
  }

  // A bin by its number, slot << 7 | class: of the first slot, and of the others.
  Bin& first_bin(std::uint64_t number) noexcept { return first_cache().bins[number]; }
  Bin& bin(std::uint64_t number) noexcept {
    return *reinterpret_cast<Bin*>(caches + offsetof(ThreadCache, bins) + number * sizeof(Bin));
  }

  // The class as whose slabs those of this class are cut.
  unsigned cut_as(unsigned size_class) const noexcept {
    return size_class::cut_as(size_class, hardening != Hardening::Fast);
  }

  // The link of a free block, sealed above FAST: for all but the fast paths, which know the level.
  void link(void* block, const void* next) const noexcept {
    if (hardening == Hardening::Fast) return free_list::set_next(block, next, link_key);
    free_list::set_sealed_next(block, next, link_secrets);
  }
  void* next(const void* block, bool& sealed) const noexcept {
    if (hardening != Hardening::Fast) return free_list::sealed_next(block, link_secrets, sealed);
    sealed = true;
    return free_list::next(block, link_key);
  }

  PageEntry* pagemap_entries() noexcept { return reinterpret_cast<PageEntry*>(this + 1); }

  // The index of an address' page in the pagemap; at or above page_limit if it is none of the instance's pages.
  // The instance begins in the pagemap's zeroth page, hence the OR instead of a load.
  std::uint64_t page_index(const void* address) const noexcept {
    const std::uintptr_t zeroth_page_end = reinterpret_cast<std::uintptr_t>(this) | (pal::kPageSize - 1);
    return (zeroth_page_end - reinterpret_cast<std::uintptr_t>(address)) >> pal::kPageShift;
  }

  bool contains(const void* address) const noexcept {
    return reinterpret_cast<std::uintptr_t>(address) - reinterpret_cast<std::uintptr_t>(arena.base()) <
           arena.span_bytes();
  }
};
static_assert(offsetof(Instance, caches) + sizeof(char*) + Instance::kOffsetInLine <= 128);

}  // namespace berth::core
