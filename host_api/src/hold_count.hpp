// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// How many imports and leases hold a plugin, and the door that an unload closes behind the last of them.
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

  // False once the door is closed.
  bool enter() noexcept {
    std::uint64_t word = word_.load(std::memory_order_relaxed);
    do {
      if ((word & kClosed) != 0) return false;
    } while (!word_.compare_exchange_weak(word, word + 1, std::memory_order_acquire, std::memory_order_relaxed));
    return true;
  }

  // By one who is inside already.
  void enter_again() noexcept { word_.fetch_add(1, std::memory_order_relaxed); }

  void leave() noexcept {
    if (word_.fetch_sub(1, std::memory_order_release) == (kAwaited | 1)) wake();
  }

  // Closes the door if nobody is inside. One caller wins: false for the others, and while the door is closed.
  bool close() noexcept {
    std::uint64_t expected = word_.load(std::memory_order_relaxed) & kAwaited;
    do {
      if ((expected & ~kAwaited) != 0) return false;
    } while (!word_.compare_exchange_weak(expected, expected | kClosed, std::memory_order_acquire,
                                          std::memory_order_relaxed));
    return true;
  }

  // As close(), waiting until everybody has left. False when the time has run out or another caller has closed it.
  bool close_until(std::chrono::steady_clock::time_point deadline);

  bool closed() const noexcept { return (word_.load(std::memory_order_relaxed) & kClosed) != 0; }

 private:
  static constexpr std::uint64_t kClosed = std::uint64_t{1} << 63;
  static constexpr std::uint64_t kAwaited = std::uint64_t{1} << 62;  // somebody has waited: the last to leave wakes

  void wake() noexcept;

  std::atomic<std::uint64_t> word_ = kClosed;  // closed | awaited | number of holds
  std::mutex mutex_;
  std::condition_variable left_;
};

}  // namespace berth::detail
