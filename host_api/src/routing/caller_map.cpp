// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// The leaves are never given back: code comes back to the same addresses.
#include "host_api/src/routing/caller_map.hpp"

#include "arenas/pal/pal.hpp"

namespace berth::routing {

bool CallerMap::set(std::uintptr_t begin, std::uintptr_t end, Code code) noexcept {
  const std::uintptr_t last = (end + (std::uintptr_t{1} << kPageShift) - 1) >> kPageShift;
  for (std::uintptr_t page = begin >> kPageShift; page < last; ++page) {
    if (page >> (kTopBits + kLeafBits) != 0) return false;
    std::atomic<Leaf*>& place = top_[page >> kLeafBits];
    Leaf* leaf = place.load(std::memory_order_relaxed);
    if (leaf == nullptr) {
      if (code == kUnknown) continue;
      void* memory = pal::reserve(sizeof(Leaf), pal::Access::ReadWrite);
      if (memory == nullptr) return false;
      leaf = static_cast<Leaf*>(memory);  // fresh pages: every entry is kUnknown
      place.store(leaf, std::memory_order_release);
    }
    (*leaf)[page & (kLeafPages - 1)].store(code, std::memory_order_relaxed);
  }
  return true;
}

}  // namespace berth::routing
