// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Thread cache: what one thread needs to serve itself in one instance, without a lock. All zero is a valid, empty
// cache: fresh pages need no initialisation. Only its owner touches it, but for the fields that say otherwise.
#pragma once

#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "allocator/blocks/size_classes.hpp"
#include "allocator/threads/thread_identity.hpp"
#include "arenas/pal/owner_count.hpp"

namespace berth::core {

// A number that its owner counts and anyone may read: plain instructions, no locked one.
class OwnerCounter {
 public:
  std::uint64_t get() const noexcept { return value_.load(std::memory_order_relaxed); }
  void add_one() noexcept { pal::add_one(value_); }
  void add(std::uint64_t more) noexcept { value_.store(get() + more, std::memory_order_relaxed); }

 private:
  // Written by the owner of the cache, read by statistics; relaxed: each number stands for itself.
  std::atomic<std::uint64_t> value_{0};
};

// One size class of a cache, in one line. Two lists, so that a pop does not wait for the push before it: frees go to
// one, allocations come from the other, and they are swapped when the latter is empty.
struct Bin {
  void* allocate_list;
  void* free_list;
  OwnerCounter allocations;
  // Frees that free_list still takes, and how many it takes at all; the difference is its length and what `frees` does
  // not count yet. Written by the owner, read by statistics, relaxed.
  std::atomic<std::uint32_t> room;
  std::atomic<std::uint32_t> limit;
  OwnerCounter frees;           // but for those that room still counts
  std::uint32_t listed;         // slabs with free or uncut blocks: pagemap index of the first, 0: none
  std::uint32_t next_carve;     // how many blocks to cut next time
  void* waiting_list;           // at GUARDED: those of free_list before, which nobody gets yet
  std::uint64_t guarded_after;  // at GUARDED: so many allocations come before the next guarded one; 0: not drawn yet

  std::uint32_t uncounted() const noexcept {
    return limit.load(std::memory_order_relaxed) - room.load(std::memory_order_relaxed);
  }
  std::uint64_t deallocations() const noexcept { return frees.get() + uncounted(); }

  // Room for frees at all, from the first one on.
  void open(std::uint32_t most) noexcept {
    frees.add(uncounted());
    limit.store(most, std::memory_order_relaxed);
    room.store(most, std::memory_order_relaxed);
  }
  // Counts what has come since the bin had all its room last, and gives it all of that again.
  void count_frees() noexcept {
    frees.add(uncounted());
    room.store(limit.load(std::memory_order_relaxed), std::memory_order_relaxed);
  }
};
static_assert(sizeof(Bin) == 1 << size_class::kScaleShift);

// Blocks of one other cache, freed here and not yet sent to it.
struct RemoteBucket {
  void* head;
  void* tail;
  std::uint32_t slot;  // of the owner's cache
  std::uint32_t count;
  std::uint32_t bytes;
};

inline constexpr std::size_t kRemoteBuckets = 8;

struct alignas(32) ThreadCache {
  std::array<RemoteBucket, kRemoteBuckets> remote_buckets;

  Bin bins[kClasses];  // those of small blocks last; a bin begins where a line does, or in its middle

  // Blocks of this cache that other threads have freed, a stack. Pushed by CAS (release) by anyone, taken whole by the
  // owner with exchange (acquire): it sees the links that the senders wrote. A line of its own: whoever pushes does not
  // take a line away from the owner's fast path, and the owner's refills find it in a page that is in use anyway.
  std::atomic<void*> remote_frees;
  // Bit by bit, the bins that were ever used. The others need not be looked at, and their pages may have no memory. Set
  // by the owner before a bin's first block, read by statistics; relaxed: until then all counts of the bin are zero.
  std::array<std::atomic<std::uint64_t>, 2> used_bins;
  // Where samples are taken (allocator/sampling): bytes up to the next one, drawn under this epoch of the instance's,
  // and whether the thread is taking one.
  std::int64_t until_sample;
  std::uint32_t sample_epoch;
  std::uint32_t in_sample;
  std::uint64_t unused_behind_in_sample[3];

  // Whose it is. Set by CAS (acq_rel) from kNobody or a dead thread's key; read by everyone. The owner itself needs no
  // order to recognise its own key.
  std::atomic<ThreadKey> owner;
  // Which cache this is: 0 the one before the instance, 1 the shared one, else the thread's index + 2. Written before
  // its slot is taken for the first time; constant.
  std::atomic<std::uint32_t> slot;
  OwnerCounter remote_deallocations;  // frees by this thread of blocks that other caches own
  std::uint32_t until_guarded;        // at GUARDED: large blocks up to the next guarded one; 0: not drawn yet
  std::uint32_t unused_behind;

  void use_bin(unsigned size_class) noexcept {
    std::atomic<std::uint64_t>& word = used_bins[size_class / 64];
    const std::uint64_t known = word.load(std::memory_order_relaxed);
    const std::uint64_t bit = std::uint64_t{1} << (size_class % 64);
    if ((known & bit) == 0) word.store(known | bit, std::memory_order_relaxed);
  }

  // Calls `visit` with the class of each used bin.
  template <typename Visit>
  void for_each_used_bin(Visit visit) const noexcept {
    for (unsigned word = 0; word < used_bins.size(); ++word) {
      for (std::uint64_t left = used_bins[word].load(std::memory_order_relaxed); left != 0; left &= left - 1) {
        visit(word * 64 + static_cast<unsigned>(std::countr_zero(left)));
      }
    }
  }

  // The bin of a class that is scaled already (size_class::scaled_of): an addition, which the compiler cannot make of
  // an index that it must first take apart.
  Bin& bin_at(std::size_t scaled_class) noexcept {
    return *reinterpret_cast<Bin*>(reinterpret_cast<char*>(bins) + scaled_class);
  }
};
static_assert(kClasses <= 128);
static_assert(offsetof(ThreadCache, bins) % 32 == 0 && offsetof(ThreadCache, until_guarded) % 32 == 24);

// The address of a bin is a constant plus its number (slot << 7 | class, see slab_word) times its size.
inline constexpr std::size_t kCacheStride = 8192;
static_assert(kCacheStride == sizeof(Bin) << 7);
static_assert(sizeof(ThreadCache) <= kCacheStride);

// Which of an instance's slots have a cache: one that was never taken is memory that nobody has charged, and a mere
// look at it would make it resident on kernels that count the pages that were only read. So whoever looks at a cache
// that is not known to be there asks here before. A byte a slot, because that is one instruction for a thread that
// looks for its own; all zero is a valid, empty set.
class alignas(32) TakenSlots {
 public:
  static constexpr std::uint32_t kCapacity = (1u << kThreadIndexBits) + 2;  // every index, that of nobody too

  bool contains(std::uint32_t slot) const noexcept { return taken_[slot].load(std::memory_order_acquire) != 0; }
  void add(std::uint32_t slot) noexcept { taken_[slot].store(1, std::memory_order_release); }

 private:
  // Set once, by the thread whose slot it is, when the cache is accessible and charged (release); read by everyone
  // (acquire): who sees it may read the cache.
  std::array<std::atomic<std::uint8_t>, kCapacity> taken_;
};

}  // namespace berth::core
