// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Operations: what the handle's functions do. The two fast paths are inline here, so that the handle's functions
// contain them; everything else is one call away.
//
// allocate, fast: size -> class (one load), thread key (one load), cache (one compare), head of the bin, its link.
// deallocate, fast: address -> pagemap entry; one XOR with the thread's key tells "my slab" and gives the bin.
// Neither takes a lock, executes a locked instruction or calls anything.
#pragma once

#include "allocator/cache_ownership.hpp"
#include "allocator/instance.hpp"
#include "allocator/misuse.hpp"
#include "allocator/small_blocks.hpp"
#include "allocator/tsan.hpp"

namespace berth::core {

using misuse::Call;

// Null with errno ENOMEM or EINVAL on failure. `alignment` is checked here: a power of two, at most 1 GiB.
void* allocate_slow(Instance& instance, std::size_t size) noexcept;
void* allocate_zeroed(Instance& instance, std::size_t count, std::size_t size) noexcept;
void* allocate_aligned(Instance& instance, std::size_t alignment, std::size_t size) noexcept;
void* reallocate(Instance& instance, void* block, std::size_t alignment, std::size_t size, const Call& call) noexcept;

// The free list of a bin is served when its allocate list is empty; else as allocate_slow.
void* allocate_from_frees(Instance& instance, ThreadCache& cache, unsigned size_class, std::size_t size) noexcept;

// Keep errno.
void deallocate_slow(Instance& instance, void* block, const char* operation, const void* caller,
                     std::size_t size) noexcept;
void sort_back_slow(Instance& instance, std::uint64_t bin_number) noexcept;

// 0 for null, and after a report for what is no block.
std::size_t usable_size(Instance& instance, const void* block, const Call& call) noexcept;

// Gives empty memory back: of the calling thread's cache, of dead threads' caches, of the arena.
void purge(Instance& instance) noexcept;

inline void* allocate(Instance& instance, std::size_t size) noexcept {
  if (size > kMaxSmall) [[unlikely]]
    return allocate_slow(instance, size);
  const unsigned scaled_class = size_class::scaled_of(size);
  Bin* bin = &instance.first_bin(scaled_class / sizeof(Bin));
  if (instance.first_cache().owner.load(std::memory_order_relaxed) != thread_key) [[unlikely]] {
    ThreadCache* cache = own_cache(instance);
    if (cache == nullptr) [[unlikely]]
      return allocate_slow(instance, size);
    bin = &cache->bins[scaled_class / sizeof(Bin)];
  }
  void* block = small_blocks::pop(*bin, instance.link_key);
  if (block == nullptr) [[unlikely]]
    return allocate_from_frees(instance, *own_cache(instance), scaled_class / sizeof(Bin), size);
  BERTH_TSAN_RELEASE(own_cache(instance));
  return block;
}

// `size` is what the caller said, for messages; 0: nothing.
inline void deallocate(Instance& instance, void* block, const char* operation, const void* caller,
                       std::size_t size = 0) noexcept {
  const std::uint64_t index = instance.page_index(block);
  if (index >= instance.page_limit.load(std::memory_order_relaxed)) [[unlikely]]
    return deallocate_slow(instance, block, operation, caller, size);
  const std::uint64_t word = instance.pagemap_entries()[index].word.load(std::memory_order_relaxed);
  // Zero above the slot if the slab is this thread's: what is left is slot << 7 | class, the number of the bin.
  const std::uint64_t bin_number = word ^ thread_key;
  Bin* bin = nullptr;
  if (bin_number < 1u << slab_word::kClassBits) [[likely]] {
    bin = &instance.first_bin(bin_number);
  } else {
    if (bin_number >= std::uint64_t{1} << kThreadKeyShift) [[unlikely]]
      return deallocate_slow(instance, block, operation, caller, size);
    bin = &instance.bin(bin_number);
  }
  if (!small_blocks::push(*bin, block, instance.link_key)) [[unlikely]]
    return sort_back_slow(instance, bin_number);
  BERTH_TSAN_RELEASE(&instance.cache(slab_word::slot(bin_number)));
}

}  // namespace berth::core
