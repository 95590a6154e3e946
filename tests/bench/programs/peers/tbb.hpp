// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// oneTBB's memory pools, fed from mmap.
#pragma once

#include <oneapi/tbb/scalable_allocator.h>
#include <oneapi/tbb/version.h>
#include <sys/mman.h>

#include <cstring>

#include "peer.hpp"

namespace bench {

inline constexpr bool kPeerIsAllocator = true;
inline constexpr bool kPeerHasHeaps = true;
inline constexpr bool kPeerSharesHeaps = true;

inline PeerIdentity peer_identity() { return {TBB_VERSION_STRING, "scalable_malloc"}; }

class Heap {
 public:
  bool create(const HeapOptions&) {
    constexpr std::size_t kGranularity = 4096;
    const rml::MemPoolPolicy policy(&Heap::map, &Heap::unmap, kGranularity);
    return rml::pool_create_v1(0, &policy, &pool_) == rml::POOL_OK;
  }
  bool destroy() { return rml::pool_destroy(pool_); }
  rml::MemoryPool* pool() const { return pool_; }

 private:
  static void* map(std::intptr_t, std::size_t& bytes) {
    void* const memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return memory == MAP_FAILED ? nullptr : memory;
  }
  static int unmap(std::intptr_t, void* memory, std::size_t bytes) { return munmap(memory, bytes); }

  rml::MemoryPool* pool_;
};

class Access {
 public:
  bool open(Heap& heap) {
    pool_ = heap.pool();
    return true;
  }
  void close() {}
  void* allocate(std::size_t size) { return rml::pool_malloc(pool_, size); }
  void* allocate_zeroed(std::size_t size) {  // pools have none of their own
    void* const block = rml::pool_malloc(pool_, size);
    return block == nullptr ? nullptr : std::memset(block, 0, size);
  }
  void* allocate_aligned(std::size_t alignment, std::size_t size) {
    return rml::pool_aligned_malloc(pool_, size, alignment);
  }
  void* resize(void* block, std::size_t size) { return rml::pool_realloc(pool_, block, size); }
  void release(void* block) { rml::pool_free(pool_, block); }

 private:
  rml::MemoryPool* pool_;
};

}  // namespace bench
