// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// The C library's own function of a name that this library has too.
#pragma once

#include <atomic>

#include "host_api/src/routing/real_allocator.hpp"

namespace berth::run {

// Found at the start: a forked child may not wait for a lock of the loader's that nobody holds there. Who comes earlier
// finds it himself; all write the same value (relaxed). Null: the C library has none. [any thread]
template <typename Function>
class Next {
 public:
  constexpr explicit Next(const char* name) noexcept : name_(name) {}

  Function* find() noexcept {
    void* found = function_.load(std::memory_order_relaxed);
    if (found == nullptr) {
      found = routing::find_next(name_);
      function_.store(found, std::memory_order_relaxed);
    }
    return reinterpret_cast<Function*>(found);
  }

 private:
  const char* name_;
  std::atomic<void*> function_{nullptr};
};

}  // namespace berth::run
