// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// A lock of four bytes that has no end: it may lie in memory that is simply released. Which may be taken under which is
// lock_order.hpp's to say.
#pragma once

#include <atomic>
#include <cstdint>

#include "arenas/pal/cancellation.hpp"
#include "arenas/pal/lock_order.hpp"
#include "arenas/pal/pal.hpp"

namespace berth::pal {

// The thread that holds every lock for a fork, by its token; 0: none. Written by that thread, when it has them all and
// before it gives them back, and 0 by whoever gives them back for it; read by all, relaxed: a thread finds its own
// token only if it wrote it itself.
extern constinit std::atomic<std::uintptr_t> fork_holder;

inline bool holds_locks_for_fork() noexcept { return fork_holder.load(std::memory_order_relaxed) == thread_token(); }

// Drepper, "Futexes Are Tricky" (2011), mutex 2, with a bit for each of its states and one more: held for a fork. Other
// handlers of the process run between ours, on the thread that forks, and may use instances: for that thread, and in
// the child, such a lock is open, for what it guards is whole.
class Lock {
 public:
  explicit constexpr Lock(LockRank rank) noexcept : order_(rank) {}
  Lock(const Lock&) = delete;
  Lock& operator=(const Lock&) = delete;

  void lock() noexcept {
    if (is_open_for_fork()) [[unlikely]]
      return;
    order_.enter();
    std::uint32_t expected = kFree;
    // acquire: sees what the last holder wrote before its release.
    if (!state_.compare_exchange_strong(expected, kHeld, std::memory_order_acquire, std::memory_order_relaxed)) {
      lock_slow();
    }
  }

  // False: somebody has it, who may be the caller.
  bool try_lock() noexcept {
    if (is_open_for_fork()) [[unlikely]]
      return true;
    std::uint32_t expected = kFree;
    if (!state_.compare_exchange_strong(expected, kHeld, std::memory_order_acquire, std::memory_order_relaxed)) {
      return false;
    }
    order_.enter();
    return true;
  }

  void unlock() noexcept {
    if (!is_open_for_fork()) [[likely]]
      give_back();
  }

  // For the fork handlers.
  void lock_for_fork() noexcept {
    lock();
    state_.fetch_or(kForFork, std::memory_order_relaxed);  // read by the other handlers of this thread alone
  }
  void unlock_after_fork() noexcept { give_back(); }

 private:
  static constexpr std::uint32_t kFree = 0;
  static constexpr std::uint32_t kHeld = 1;
  static constexpr std::uint32_t kAwaited = 2;  // besides kHeld
  static constexpr std::uint32_t kForFork = 4;  // besides kHeld

  bool is_open_for_fork() const noexcept {
    return (state_.load(std::memory_order_relaxed) & kForFork) != 0 && holds_locks_for_fork();
  }

  void give_back() noexcept {
    order_.leave();
    // release: publishes what was written under the lock.
    if ((state_.exchange(kFree, std::memory_order_release) & kAwaited) != 0) wake_one(&state_);
  }

  void lock_slow() noexcept {
    for (int spin = 0; spin < 64; ++spin) {
      std::uint32_t expected = kFree;
      if (state_.compare_exchange_weak(expected, kHeld, std::memory_order_acquire, std::memory_order_relaxed)) return;
      if ((expected & kAwaited) != 0) break;
    }
    for (;;) {
      std::uint32_t seen = state_.load(std::memory_order_relaxed);
      if (seen == kFree) {
        // Awaited: others may sleep.
        if (state_.compare_exchange_weak(seen, kHeld | kAwaited, std::memory_order_acquire, std::memory_order_relaxed))
          return;
        continue;
      }
      const std::uint32_t awaited = seen | kAwaited;
      if (seen != awaited && !state_.compare_exchange_weak(seen, awaited, std::memory_order_relaxed)) continue;
      wait(&state_, awaited);
    }
  }

  std::atomic<std::uint32_t> state_{kFree};
  [[no_unique_address]] OrderedLock order_;
};
#if defined(NDEBUG)
static_assert(sizeof(Lock) == 4);
#endif

// Who is cancelled in between would hold it for ever.
class LockGuard {
 public:
  explicit LockGuard(Lock& lock) noexcept : lock_(lock) { lock_.lock(); }
  ~LockGuard() noexcept(false) { lock_.unlock(); }
  LockGuard(const LockGuard&) = delete;
  LockGuard& operator=(const LockGuard&) = delete;

 private:
  DeferredCancellation alive_;
  Lock& lock_;
};

}  // namespace berth::pal
