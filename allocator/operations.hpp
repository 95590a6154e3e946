// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Operations: what the handle's functions do, once for each hardening level: an instance's handle has those of its
// level. The two fast paths are inline here, so that the handle's functions contain them; everything else is one call
// away, and so is what only that needs, such as the address of the caller.
//
// allocate_fast: size -> class (one load), thread key (one load), cache (one compare), head of the bin, its link; where
// the list is empty, the blocks freed since become the list.
// deallocate_fast: address -> pagemap entry; one XOR with the thread's key tells "my slab" and gives the bin.
// Neither takes a lock, executes a locked instruction or calls anything. Above FAST each looks at the state of the
// block (allocator/blocks/block_states.hpp) and at the seal of its link besides.
#pragma once

#include "allocator/blocks/small_blocks.hpp"
#include "allocator/instance.hpp"
#include "allocator/misuse/misuse.hpp"
#include "allocator/threads/cache_ownership.hpp"
#include "allocator/threads/tsan.hpp"
#include "arenas/asan.hpp"

namespace berth::core {

using misuse::Call;

// Null with errno ENOMEM or EINVAL on failure. `alignment` is checked here: a power of two, at most 1 GiB.
template <Hardening kLevel>
void* allocate_slow(Instance& instance, std::size_t size, const char* operation, const void* caller) noexcept;
template <Hardening kLevel>
void* allocate_zeroed(Instance& instance, std::size_t count, std::size_t size, const Call& call) noexcept;
template <Hardening kLevel>
void* allocate_aligned(Instance& instance, std::size_t alignment, std::size_t size, const Call& call) noexcept;
template <Hardening kLevel>
void* reallocate(Instance& instance, void* block, std::size_t alignment, std::size_t size, const Call& call) noexcept;

// What the fast path of a free has done: all, all but to sort back the bin that the block went to, or nothing.
enum class Freed : std::uint8_t { Whole, BinIsFull, Not };
// Does what is left of it. Keeps errno.
template <Hardening kLevel>
void deallocate_rest(Instance& instance, void* block, Freed done, const char* operation, const void* caller,
                     std::size_t size) noexcept;

// Whether a live block, of any origin, has the class of a request. `alignment` 0: default.
template <Hardening kLevel>
bool is_of_request(Instance& instance, const void* block, std::size_t alignment, std::size_t size) noexcept;

// Frees a block, if it is none of another class than the request that it is said to come from. `alignment` 0: default.
template <Hardening kLevel>
void deallocate_sized(Instance& instance, void* block, std::size_t alignment, std::size_t size,
                      const Call& call) noexcept;

// Frees a block of an instance of any level.
void deallocate_at_its_level(Instance& instance, void* block, const char* operation, const void* caller) noexcept;

// 0 for null, and after a report for what is no block.
template <Hardening kLevel>
std::size_t usable_size(Instance& instance, const void* block, const Call& call) noexcept;

namespace detail {

template <Hardening kLevel, pattern::Length kLength>
inline void* allocate_from(const Instance& instance, ThreadCache& cache, std::size_t size) noexcept {
  const std::size_t scaled_class = size_class::scaled_of(size);
  Bin& bin = cache.bin_at(scaled_class);
  if constexpr (kLevel == Hardening::Guarded) {
    if (bin.allocations.get() >= bin.guarded_after) [[unlikely]]
      return nullptr;
  } else {
    if (bin.allocate_list == nullptr && !small_blocks::swap(bin)) [[unlikely]]
      return nullptr;
  }
  const std::size_t bytes = kLength == pattern::Length::Short ? size : size_class::bytes_of_scaled(scaled_class);
  void* block = small_blocks::pop<kLevel, kLength>(bin, instance, bytes);
  if (block != nullptr) [[likely]]
    BERTH_TSAN_RELEASE(&cache);
  return block;
}

// The last step of a free: the block, which does not live any more, goes to its bin.
template <Hardening kLevel, pattern::Length kLength>
inline Freed put_away(Instance& instance, void* block, std::uint64_t bin_number, Bin& bin) noexcept {
  small_blocks::fill<kLevel, kLength>(instance, block, slab_word::size_class(bin_number));
  asan::poison(block, size_class::kTable[slab_word::size_class(bin_number)].block_bytes);
  if (!small_blocks::push<kLevel>(bin, block, instance)) [[unlikely]]
    return Freed::BinIsFull;
  BERTH_TSAN_RELEASE(&instance.cache(slab_word::slot(bin_number)));
  return Freed::Whole;
}

}  // namespace detail

// At GUARDED, of blocks that are not Short, or of threads that are not the first: apart, so that the fast paths of the
// others save no registers.
void* allocate_long(Instance& instance, std::size_t size) noexcept;
Freed put_away_long(Instance& instance, void* block, std::uint64_t bin_number) noexcept;

// Null: allocate_slow() then.
template <Hardening kLevel>
inline void* allocate_fast(Instance& instance, std::size_t size) noexcept {
  if constexpr (kLevel == Hardening::Watched) return nullptr;
  ThreadCache& first = instance.first_cache();
  if constexpr (kLevel == Hardening::Guarded) {
    if (size > pattern::kMostOfShort || first.owner.load(std::memory_order_relaxed) != thread_key) {
      return allocate_long(instance, size);
    }
    return detail::allocate_from<kLevel, pattern::Length::Short>(instance, first, size);
  }
  if (size > kMaxSmall) [[unlikely]]
    return nullptr;
  if (first.owner.load(std::memory_order_relaxed) == thread_key) [[likely]]
    return detail::allocate_from<kLevel, pattern::Length::Any>(instance, first, size);
  ThreadCache* const later = own_later_cache(instance);
  if (later == nullptr) [[unlikely]]
    return nullptr;
  return detail::allocate_from<kLevel, pattern::Length::Any>(instance, *later, size);
}

// `word` is what the pagemap says of the block's page: for those who want to know it, too.
template <Hardening kLevel>
inline Freed deallocate_fast(Instance& instance, void* block, std::uint64_t& word) noexcept {
  if constexpr (kLevel == Hardening::Watched) return Freed::Not;
  const std::uint64_t index = instance.page_index(block);
  // Relaxed, both: a block reaches this thread by a way that orders it after its page's entry, and that after its
  // limit. Of a stray pointer the entry may be read before the limit, on a weak machine. It is zero then, nobody's, or
  // what a later reader finds; where it was not accessible yet the system finds that it is by now, and no fault is
  // left.
  if (index >= instance.page_limit.load(std::memory_order_relaxed)) [[unlikely]]
    return Freed::Not;
  word = instance.pagemap_entries()[index].word.load(std::memory_order_relaxed);
  // Zero above the slot if the slab is this thread's: what is left is slot << 7 | class, the number of the bin.
  const std::uint64_t bin_number = word ^ thread_key;
  Bin* bin = nullptr;
  if (bin_number < 1u << slab_word::kClassBits) [[likely]] {
    bin = &instance.first_bin(bin_number);
  } else {
    if (bin_number >= std::uint64_t{1} << kThreadKeyShift) [[unlikely]]
      return Freed::Not;
    bin = &instance.bin(bin_number);
  }
  if constexpr (kLevel != Hardening::Fast) {
    if (!instance.block_states.end_life(block)) [[unlikely]]
      return Freed::Not;
  }
  if constexpr (kLevel == Hardening::Guarded) {
    const std::uint32_t bytes = size_class::kTable[slab_word::size_class(bin_number)].block_bytes;
    if (bytes > pattern::kMostOfShort) return put_away_long(instance, block, bin_number);
    return detail::put_away<kLevel, pattern::Length::Short>(instance, block, bin_number, *bin);
  }
  return detail::put_away<kLevel, pattern::Length::Any>(instance, block, bin_number, *bin);
}

template <Hardening kLevel>
inline Freed deallocate_fast(Instance& instance, void* block) noexcept {
  std::uint64_t word = 0;
  return deallocate_fast<kLevel>(instance, block, word);
}

template <Hardening kLevel>
inline void* allocate(Instance& instance, std::size_t size, const char* operation, const void* caller) noexcept {
  if (void* block = allocate_fast<kLevel>(instance, size)) [[likely]]
    return block;
  return allocate_slow<kLevel>(instance, size, operation, caller);
}

// `size` is what the caller said, for messages; 0: nothing.
template <Hardening kLevel>
inline void deallocate(Instance& instance, void* block, const char* operation, const void* caller,
                       std::size_t size = 0) noexcept {
  const Freed done = deallocate_fast<kLevel>(instance, block);
  if (done != Freed::Whole) [[unlikely]]
    deallocate_rest<kLevel>(instance, block, done, operation, caller, size);
}

}  // namespace berth::core
