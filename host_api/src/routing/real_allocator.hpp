// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// The real allocator: that of the library behind this one, for all that is not routed. It is found at its first use,
// which may come before any constructor has run, from inside the loader too.
#pragma once

#include <atomic>
#include <cstddef>

namespace berth::routing {

struct RealAllocator {
  void* (*malloc)(std::size_t);
  void* (*calloc)(std::size_t, std::size_t);
  void* (*realloc)(void*, std::size_t);
  void (*free)(void*);
  void* (*memalign)(std::size_t, std::size_t);
  int (*posix_memalign)(void**, std::size_t, std::size_t);
  std::size_t (*malloc_usable_size)(void*);
};

// While it is looked for, on the thread that looks: from a small store that is never given back.
const RealAllocator& find_real_allocator() noexcept;

namespace detail {
// Null until it is found: written once (release), read by everyone (acquire).
extern constinit std::atomic<const RealAllocator*> real_allocator;
}  // namespace detail

inline const RealAllocator& real() noexcept {
  const RealAllocator* found = detail::real_allocator.load(std::memory_order_acquire);
  return found != nullptr ? *found : find_real_allocator();
}

// The next definition of a function of the C or C++ library; null: there is none. Not from inside an allocation.
void* find_next(const char* name) noexcept;

// The same, kept in `place`: found when it is first called, which is never from inside an allocation. Written by
// whoever comes first, all the same value (relaxed).
template <typename Function>
Function* next_of(std::atomic<void*>& place, const char* name) noexcept {
  void* found = place.load(std::memory_order_relaxed);
  if (found == nullptr) {
    found = find_next(name);
    place.store(found, std::memory_order_relaxed);
  }
  return reinterpret_cast<Function*>(found);
}

}  // namespace berth::routing
