// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// mimalloc's first-class heaps. In version 2 a heap belongs to the thread that made it; any thread may free.
#pragma once

#include <mimalloc.h>

#include "peer.hpp"

namespace bench {

inline constexpr bool kPeerIsAllocator = true;
inline constexpr bool kPeerHasHeaps = true;
inline constexpr bool kPeerSharesHeaps = MI_MALLOC_VERSION >= 300;

inline PeerIdentity peer_identity() {
  const int version = mi_version();  // 209 is 2.0.9
  return {std::to_string(version / 100) + '.' + std::to_string(version / 10 % 10) + '.' + std::to_string(version % 10),
          "mi_heap_malloc"};
}

class Heap {
 public:
  bool create(const HeapOptions&) {
    heap_ = mi_heap_new();
    return heap_ != nullptr;
  }
  bool destroy() {
    mi_heap_destroy(heap_);
    return true;
  }
  mi_heap_t* heap() const { return heap_; }

 private:
  mi_heap_t* heap_;
};

class Access {
 public:
  bool open(Heap& heap) {
    heap_ = heap.heap();
    return true;
  }
  void close() {}
  void* allocate(std::size_t size) { return mi_heap_malloc(heap_, size); }
  void* allocate_zeroed(std::size_t size) { return mi_heap_calloc(heap_, 1, size); }
  void* allocate_aligned(std::size_t alignment, std::size_t size) {
    return mi_heap_malloc_aligned(heap_, size, alignment);
  }
  void* resize(void* block, std::size_t size) { return mi_heap_realloc(heap_, block, size); }
  void release(void* block) { mi_free(block); }

 private:
  mi_heap_t* heap_;
};

}  // namespace bench
