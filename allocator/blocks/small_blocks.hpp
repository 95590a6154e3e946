// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Small blocks: from a thread cache's bins to slabs and back. Everything here is called by the owner of the cache.
//
//   pop(bin)                          the fast path: one list, no lock
//    ├ swap(bin)                      it is empty: the blocks that this thread freed
//    └ refill                         there are none either:
//       ├ swap                          at GUARDED, the freed blocks that have waited
//       ├ drain_remote_frees            the blocks that other threads freed for it
//       ├ a listed slab                 blocks sorted back, else newly cut ones
//       └ a new slab                    a run of pages from the arena
//   push(bin)                         the fast path
//    └ sort_back                      the bin is full: each block to its slab, each empty slab to the arena
//
// At GUARDED freed blocks wait, whoever has freed them: those of a bin go to its waiting list when it has taken enough
// or is full, and from there to the allocate list, or to their slabs, the next time. All free blocks, those that were
// never used as well, are filled with a pattern, which is looked at when a block is handed out, when its slab goes, and
// when the instance ends (last_look).
#pragma once

#include "allocator/blocks/pattern.hpp"
#include "allocator/instance.hpp"

namespace berth::core::small_blocks {

// A block of the bin, of `bytes` (pattern::fill_free), or null if its list is empty. Above FAST null also means that
// the first block of the list was written to since it was freed, or is in use: drop_corrupt() then.
template <Hardening kLevel, pattern::Length kLength = pattern::Length::Any>
inline void* pop(Bin& bin, const Instance& instance, [[maybe_unused]] std::size_t bytes) noexcept {
  void* block = bin.allocate_list;
  if (block == nullptr) [[unlikely]]
    return nullptr;
  void* next = nullptr;
  if constexpr (kLevel == Hardening::Fast) {
    next = free_list::next(block, instance.link_key);
  } else {
    bool sealed = false;
    next = free_list::sealed_next(block, instance.link_secrets, sealed);
    std::atomic<BlockState>& state = instance.block_states.of(block);
    // The words of a block that was free before may have been put back into it, and name one that lives now.
    if (!sealed || state.load(std::memory_order_relaxed) != BlockState::None) [[unlikely]]
      return nullptr;
    if constexpr (kLevel == Hardening::Guarded) {
      if (!pattern::holds_free<kLength>(block, bytes, instance.guard.fill)) [[unlikely]]
        return nullptr;
    }
    state.store(BlockState::Live, std::memory_order_relaxed);
  }
  bin.allocate_list = next;
  bin.allocations.add_one();
  return block;
}

// Below GUARDED: makes a bin's free list its allocate list, which is empty. False: that one is empty as well.
inline bool swap(Bin& bin) noexcept {
  void* const freed = bin.free_list;
  if (freed == nullptr) return false;
  bin.free_list = nullptr;
  bin.allocate_list = freed;
  bin.count_frees();
  return true;
}

// Takes a block back. False: the bin has taken its last one and must be sorted back now. Above FAST the caller has
// taken its life (BlockStates::end_life).
template <Hardening kLevel>
[[nodiscard]] inline bool push(Bin& bin, void* block, const Instance& instance) noexcept {
  if constexpr (kLevel == Hardening::Fast) {
    free_list::set_next(block, bin.free_list, instance.link_key);
  } else {
    free_list::set_sealed_next(block, bin.free_list, instance.link_secrets);
  }
  bin.free_list = block;
  return pal::take_one(bin.room);
}

// Above FAST, where pop() refused the first block: notes it as a finding. It stays out of use, and so does its slab,
// which never becomes empty; the blocks behind it as well, unless its link is sound.
void drop_corrupt(Instance& instance, Bin& bin) noexcept;

// Fills the bin's allocate_list. False: no memory.
bool refill(Instance& instance, ThreadCache& cache, unsigned size_class) noexcept;

// At GUARDED: a block of the class that is free from now on.
template <Hardening kLevel, pattern::Length kLength = pattern::Length::Any>
inline void fill([[maybe_unused]] Instance& instance, [[maybe_unused]] void* block,
                 [[maybe_unused]] std::size_t size_class) noexcept {
  if constexpr (kLevel == Hardening::Guarded) {
    pattern::fill_free<kLength>(block, size_class::kTable[size_class].block_bytes, instance.guard.fill);
  }
}

// At GUARDED: whether a free block, in whatever list, is as it was left.
bool is_as_left(Instance& instance, const void* block, unsigned size_class) noexcept;

// Empties a bin that push() found full.
void sort_back(Instance& instance, ThreadCache& cache, unsigned size_class) noexcept;

// Puts one free block that is in no list into its slab, which this cache owns.
void return_to_slab(Instance& instance, ThreadCache& cache, void* block) noexcept;

// Takes in the blocks that other threads have freed for this cache.
void drain_remote_frees(Instance& instance, ThreadCache& cache) noexcept;

// Gives all empty slabs of a cache to the arena: its bins are sorted back first, its remote frees sent and taken in.
void empty(Instance& instance, ThreadCache& cache) noexcept;

// Makes this cache's current owner the one that the word of a slab names, after an inheritance.
void rename_owner(Instance& instance, ThreadCache& cache, const void* block) noexcept;

}  // namespace berth::core::small_blocks
