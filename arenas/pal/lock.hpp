// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// A lock of four bytes that has no end: it may lie in memory that is simply released. Which may be taken under which is
// lock_order.hpp's to say.
#pragma once

#include <atomic>
#include <cstdint>

#include "arenas/pal/lock_order.hpp"
#include "arenas/pal/pal.hpp"

namespace berth::pal {

// Drepper, "Futexes Are Tricky" (2011), mutex 2: 0 free, 1 held, 2 held and awaited.
class Lock {
 public:
  explicit constexpr Lock(LockRank rank) noexcept : order_(rank) {}
  Lock(const Lock&) = delete;
  Lock& operator=(const Lock&) = delete;

  void lock() noexcept {
    order_.enter();
    std::uint32_t expected = kFree;
    // acquire: sees what the last holder wrote before its release.
    if (!state_.compare_exchange_strong(expected, kHeld, std::memory_order_acquire, std::memory_order_relaxed)) {
      lock_slow();
    }
  }

  void unlock() noexcept {
    order_.leave();
    // release: publishes what was written under the lock.
    if (state_.exchange(kFree, std::memory_order_release) == kAwaited) wake_one(&state_);
  }

 private:
  static constexpr std::uint32_t kFree = 0;
  static constexpr std::uint32_t kHeld = 1;
  static constexpr std::uint32_t kAwaited = 2;

  void lock_slow() noexcept {
    for (int spin = 0; spin < 64; ++spin) {
      std::uint32_t expected = kFree;
      if (state_.compare_exchange_weak(expected, kHeld, std::memory_order_acquire, std::memory_order_relaxed)) return;
      if (expected == kAwaited) break;
    }
    while (state_.exchange(kAwaited, std::memory_order_acquire) != kFree) wait(&state_, kAwaited);
  }

  std::atomic<std::uint32_t> state_{kFree};
  [[no_unique_address]] OrderedLock order_;
};
#if defined(NDEBUG)
static_assert(sizeof(Lock) == 4);
#endif

class LockGuard {
 public:
  explicit LockGuard(Lock& lock) noexcept : lock_(lock) { lock_.lock(); }
  ~LockGuard() { lock_.unlock(); }
  LockGuard(const LockGuard&) = delete;
  LockGuard& operator=(const LockGuard&) = delete;

 private:
  Lock& lock_;
};

}  // namespace berth::pal
