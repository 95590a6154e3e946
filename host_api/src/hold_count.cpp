// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// The waiting side of HoldCount.
#include "hold_count.hpp"

namespace berth::detail {

bool HoldCount::close_until(std::chrono::steady_clock::time_point deadline) {
  if (close()) return true;
  std::unique_lock lock(mutex_);
  word_.fetch_or(kAwaited, std::memory_order_relaxed);
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
