// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// How many imports and leases hold a plugin, and the door that an unload closes behind the last of them. While an
// unload waits for that, newcomers are turned away: else those who come and go could keep it waiting for ever. Who is
// inside may let others in, by copies of an import or a lease.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>

namespace berth::detail {

// All functions may be called from any thread; enter, enter_again and leave without waiting for each other.
class HoldCount {
 public:
  // Starts closed: nobody enters a plugin that is still being loaded.
  HoldCount() = default;
  HoldCount(const HoldCount&) = delete;
  HoldCount& operator=(const HoldCount&) = delete;

  void open() noexcept { word_.fetch_and(~kClosed, std::memory_order_release); }

  // False once the door is closed, and while somebody waits to close it. Acquire: who enters sees what open() released.
  bool enter() noexcept {
    std::uint64_t word = word_.load(std::memory_order_relaxed);
    do {
      if ((word & ~kHolds) != 0) return false;
    } while (!word_.compare_exchange_weak(word, word + 1, std::memory_order_acquire, std::memory_order_relaxed));
    return true;
  }

  // By one who is inside already.
  void enter_again() noexcept { word_.fetch_add(1, std::memory_order_relaxed); }

  // Release: who closes the door sees what was done inside.
  void leave() noexcept {
    const std::uint64_t before = word_.fetch_sub(1, std::memory_order_release);
    if ((before & kHolds) == 1 && (before & kWaiters) != 0) wake();
  }

  // Closes the door if nobody is inside. One caller wins: false for the others, and while the door is closed.
  bool close() noexcept {
    std::uint64_t word = word_.load(std::memory_order_relaxed);
    do {
      if ((word & (kClosed | kHolds)) != 0) return false;
    } while (!word_.compare_exchange_weak(word, word | kClosed, std::memory_order_acquire, std::memory_order_relaxed));
    return true;
  }

  // As close(), waiting until everybody has left. Nobody enters meanwhile. False when the time has run out or another
  // caller has closed it.
  bool close_until(std::chrono::steady_clock::time_point deadline);

  bool closed() const noexcept { return (word_.load(std::memory_order_relaxed) & kClosed) != 0; }

 private:
  static constexpr std::uint64_t kClosed = std::uint64_t{1} << 63;
  static constexpr std::uint64_t kWaiter = std::uint64_t{1} << 48;
  static constexpr std::uint64_t kHolds = kWaiter - 1;
  static constexpr std::uint64_t kWaiters = ~(kClosed | kHolds);

  void wake() noexcept;

  //     63     | 62..48                  | 47..0
  //     closed | unloads that wait       | holds
  // Written by all, always as a whole: each change finds the one before it, so a hold is either counted before an
  // unload begins to wait, or refused.
  std::atomic<std::uint64_t> word_ = kClosed;
  std::mutex mutex_;
  std::condition_variable left_;
};

}  // namespace berth::detail
