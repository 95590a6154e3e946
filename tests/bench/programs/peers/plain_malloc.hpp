// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// A peer that has one heap for the whole process, behind C's functions. They are called through pointers that the
// compiler cannot see through: it knows what malloc and free do, and would leave pairs of them out.
#pragma once

#include <cstdlib>

#include "peer.hpp"

namespace bench {

inline constexpr bool kPeerIsAllocator = true;
inline constexpr bool kPeerHasHeaps = false;
inline constexpr bool kPeerSharesHeaps = true;

class Heap {
 public:
  bool create(const HeapOptions&) { return true; }
  bool destroy() { return false; }
};

class Access {
 public:
  bool open(Heap&) {
    // What is read from a volatile object may be anything.
    static decltype(&std::malloc) volatile s_malloc = &std::malloc;
    static decltype(&std::calloc) volatile s_calloc = &std::calloc;
    static decltype(&::aligned_alloc) volatile s_aligned_alloc = &::aligned_alloc;
    static decltype(&std::realloc) volatile s_realloc = &std::realloc;
    static decltype(&std::free) volatile s_free = &std::free;
    malloc_ = s_malloc;
    calloc_ = s_calloc;
    aligned_alloc_ = s_aligned_alloc;
    realloc_ = s_realloc;
    free_ = s_free;
    return true;
  }
  void close() {}
  void* allocate(std::size_t size) { return malloc_(size); }
  void* allocate_zeroed(std::size_t size) { return calloc_(1, size); }
  void* allocate_aligned(std::size_t alignment, std::size_t size) { return aligned_alloc_(alignment, size); }
  void* resize(void* block, std::size_t size) { return realloc_(block, size); }
  void release(void* block) { free_(block); }

 private:
  void* (*malloc_)(std::size_t);
  void* (*calloc_)(std::size_t, std::size_t);
  void* (*aligned_alloc_)(std::size_t, std::size_t);
  void* (*realloc_)(void*, std::size_t);
  void (*free_)(void*);
};

}  // namespace bench
