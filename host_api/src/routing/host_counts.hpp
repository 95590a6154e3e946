// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Host counts: how often the program and its own libraries have asked the real allocator. Counted in places that
// threads share by chance, without a locked instruction: two threads that meet in one may lose a count. In a host of
// one's own, where no report tells of it, nothing is counted (BERTH_ROUTES_OWN_HOST).
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace berth::routing::host_counts {

struct alignas(64) Place {
  std::atomic<std::uint64_t> allocations{0}, deallocations{0};  // relaxed, load and store
};
inline constexpr std::size_t kPlaces = 64;
inline constinit Place places[kPlaces] = {};

inline Place& here() noexcept {
  const auto thread = reinterpret_cast<std::uintptr_t>(__builtin_thread_pointer());
  return places[(thread >> 12 ^ thread >> 20) % kPlaces];
}
#if defined(BERTH_ROUTES_OWN_HOST)
inline void add_allocation() noexcept {}
inline void add_deallocation() noexcept {}
#else
inline void add_allocation() noexcept {
  auto& count = here().allocations;
  count.store(count.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
}
inline void add_deallocation() noexcept {
  auto& count = here().deallocations;
  count.store(count.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
}
#endif

inline void reset() noexcept {
  for (Place& place : places) {
    place.allocations.store(0, std::memory_order_relaxed);
    place.deallocations.store(0, std::memory_order_relaxed);
  }
}

}  // namespace berth::routing::host_counts
