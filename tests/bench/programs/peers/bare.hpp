// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// No allocator: what the system and the loops themselves cost. A heap is one reservation of the size that Berth's have.
// Where blocks pile up they are cut off its front; else each allocation is the same block, for no less can be done.
#pragma once

#include <sys/mman.h>

#include "peer.hpp"

namespace bench {

inline constexpr bool kPeerIsAllocator = false;
inline constexpr bool kPeerHasHeaps = true;
inline constexpr bool kPeerSharesHeaps = true;

inline PeerIdentity peer_identity() { return {"mmap and munmap", nullptr}; }

class Heap {
 public:
  bool create(const HeapOptions& options) {
    constexpr int kFlags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    memory_ = static_cast<char*>(mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, kFlags, -1, 0));
    if (memory_ == MAP_FAILED) return false;
    next_ = memory_;
    keeps_blocks_ = options.keeps_blocks;
    if (keeps_blocks_) madvise(memory_, kBytes, options.without_huge_pages ? MADV_NOHUGEPAGE : MADV_HUGEPAGE);
    return true;
  }
  bool destroy() { return munmap(memory_, kBytes) == 0; }

 private:
  friend class Access;
  static constexpr std::size_t kBytes = std::size_t{64} << 30;
  char* memory_;
  char* next_;
  bool keeps_blocks_;
};

class Access {
 public:
  bool open(Heap& heap) {
    static decltype(&Access::same) volatile s_same = &Access::same;
    static decltype(&Access::cut) volatile s_cut = &Access::cut;
    static decltype(&Access::nothing) volatile s_nothing = &Access::nothing;
    heap_ = &heap;
    allocate_ = heap.keeps_blocks_ ? s_cut : s_same;
    release_ = s_nothing;
    return true;
  }
  void close() {}
  void* allocate(std::size_t size) { return allocate_(heap_, size); }
  void* allocate_zeroed(std::size_t size) { return allocate_(heap_, size); }
  void* allocate_aligned(std::size_t, std::size_t size) { return allocate_(heap_, size); }
  void* resize(void*, std::size_t) { return heap_->memory_; }
  void release(void* block) { release_(heap_, block); }

 private:
  static void* same(Heap* heap, std::size_t) { return heap->memory_; }
  static void* cut(Heap* heap, std::size_t size) {
    constexpr std::size_t kAlignment = 16;
    void* const block = heap->next_;
    heap->next_ += (size + kAlignment - 1) & ~(kAlignment - 1);
    return block;
  }
  static void nothing(Heap*, void*) {}

  Heap* heap_;
  void* (*allocate_)(Heap*, std::size_t);
  void (*release_)(Heap*, void*);
};

}  // namespace bench
