// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Berth, used as a plugin uses it: through the handle that it was given.
#pragma once

#include "berth/allocator.h"
#include "berth/instance.h"
#include "peer.hpp"

namespace bench {

inline constexpr bool kPeerIsAllocator = true;
inline constexpr bool kPeerHasHeaps = true;
inline constexpr bool kPeerSharesHeaps = true;

inline PeerIdentity peer_identity() { return {berth_version(), nullptr}; }

class Heap {
 public:
  bool create(const HeapOptions& options) {
    berth_instance_options with{};
    with.struct_size = sizeof(with);
    with.name = "bench";
    with.hardening = options.checked ? BERTH_HARDENING_CHECKED : BERTH_HARDENING_FAST;
    with.huge_pages = options.without_huge_pages ? BERTH_HUGE_PAGES_NEVER : BERTH_HUGE_PAGES_AUTO;
    return berth_instance_create(&with, &instance_) == BERTH_OK;
  }
  bool destroy() { return berth_instance_destroy(instance_, nullptr) == BERTH_OK; }
  berth_instance* instance() const { return instance_; }

 private:
  berth_instance* instance_;
};

class Access {
 public:
  bool open(Heap& heap) {
    handle_ = berth_instance_allocator(heap.instance());
    return handle_ != nullptr;
  }
  void close() {}
  void* allocate(std::size_t size) { return berth_malloc(handle_, size); }
  void* allocate_zeroed(std::size_t size) { return berth_calloc(handle_, 1, size); }
  void* allocate_aligned(std::size_t alignment, std::size_t size) {
    return berth_aligned_alloc(handle_, alignment, size);
  }
  void* resize(void* block, std::size_t size) { return berth_realloc(handle_, block, size); }
  void release(void* block) { berth_free(handle_, block); }

 private:
  berth_allocator* handle_;
};

}  // namespace bench
