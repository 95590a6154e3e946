// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// jemalloc with an arena for each heap, and in it an explicit thread cache for each thread.
#pragma once

#include <jemalloc/jemalloc.h>

#include <cstdio>

#include "peer.hpp"

namespace bench {

inline constexpr bool kPeerIsAllocator = true;
inline constexpr bool kPeerHasHeaps = true;
inline constexpr bool kPeerSharesHeaps = true;

inline PeerIdentity peer_identity() {
  const char* version = "";
  std::size_t length = sizeof(version);
  mallctl("version", &version, &length, nullptr, 0);
  return {std::string(version).substr(0, std::string(version).find('-')), "mallocx"};
}

class Heap {
 public:
  bool create(const HeapOptions&) {
    std::size_t length = sizeof(arena_);
    return mallctl("arenas.create", &arena_, &length, nullptr, 0) == 0;
  }
  bool destroy() {
    char name[40];
    std::snprintf(name, sizeof(name), "arena.%u.destroy", arena_);
    return mallctl(name, nullptr, nullptr, nullptr, 0) == 0;
  }
  unsigned arena() const { return arena_; }

 private:
  unsigned arena_;
};

class Access {
 public:
  bool open(Heap& heap) {
    std::size_t length = sizeof(cache_);
    if (mallctl("tcache.create", &cache_, &length, nullptr, 0) != 0) return false;
    flags_ = static_cast<int>(MALLOCX_ARENA(heap.arena()) | MALLOCX_TCACHE(cache_));
    return true;
  }
  void close() { mallctl("tcache.destroy", nullptr, nullptr, &cache_, sizeof(cache_)); }
  void* allocate(std::size_t size) { return mallocx(size, flags_); }
  void* allocate_zeroed(std::size_t size) { return mallocx(size, flags_ | MALLOCX_ZERO); }
  void* allocate_aligned(std::size_t alignment, std::size_t size) {
    return mallocx(size, flags_ | static_cast<int>(MALLOCX_ALIGN(alignment)));
  }
  void* resize(void* block, std::size_t size) {
    return block == nullptr ? allocate(size) : rallocx(block, size, flags_);
  }
  void release(void* block) { dallocx(block, flags_); }

 private:
  unsigned cache_;
  int flags_;
};

}  // namespace bench
