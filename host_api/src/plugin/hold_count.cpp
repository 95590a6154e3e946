// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// The waiting side of HoldCount.
#include "host_api/src/plugin/hold_count.hpp"

namespace berth::detail {

bool HoldCount::close_until(std::chrono::steady_clock::time_point deadline) {
  if (close()) return true;
  // Relaxed: no more than the word itself is told. Whoever leaves after this wakes; whoever left before is not counted
  // when the count is looked at below.
  struct Waiting {
    std::atomic<std::uint64_t>& word;
    explicit Waiting(std::atomic<std::uint64_t>& count) : word(count) {
      word.fetch_add(kWaiter, std::memory_order_relaxed);
    }
    ~Waiting() { word.fetch_sub(kWaiter, std::memory_order_relaxed); }
  } const waiting(word_);
  std::unique_lock lock(mutex_);
  bool won = false;
  left_.wait_until(lock, deadline, [&] {
    won = close();
    return won || closed();
  });
  return won;
}

// Under the mutex, so that a waiter is either before its look at the count or already asleep.
void HoldCount::wake() noexcept {
  const std::lock_guard lock(mutex_);
  left_.notify_all();
}

}  // namespace berth::detail
