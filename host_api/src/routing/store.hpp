// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Store: memory for what lives as long as the process, such as the names of modules. It never gives any back.
#pragma once

#include <cstddef>
#include <new>

#include "arenas/pal/lock.hpp"

namespace berth::routing::store {

// Zeroed, aligned to a line. Null: the system has none. [any thread]
void* take(std::size_t bytes) noexcept;

template <typename T>
T* make(std::size_t count) noexcept {
  void* memory = take(count * sizeof(T));
  if (memory == nullptr) return nullptr;
  T* first = static_cast<T*>(memory);
  for (std::size_t number = 0; number < count; ++number) ::new (static_cast<void*>(first + number)) T();
  return first;
}

// A copy with its terminating zero.
const char* copy(const char* text, std::size_t length) noexcept;

// For the fork handlers.
pal::Lock& lock() noexcept;

}  // namespace berth::routing::store
