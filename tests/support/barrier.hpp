// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// std::barrier, for as much as the tests use of it. Where it has no futex, as on Windows, libstdc++ 12 looks at the
// value before it takes the lock under which it sleeps, and sleeps on if it was woken in between: whatever rests on
// std::atomic's wait hangs there (std::barrier, std::latch, std::counting_semaphore).
#pragma once

#include <condition_variable>
#include <cstddef>
#include <mutex>

namespace berth::tests {

class Barrier {
 public:
  explicit Barrier(std::ptrdiff_t count) : count_(count), missing_(count) {}

  void arrive_and_wait() {
    std::unique_lock lock(mutex_);
    if (--missing_ == 0) {
      missing_ = count_;
      ++meetings_;
      everybody_.notify_all();  // under the lock: who is woken may end the barrier's life
      return;
    }
    everybody_.wait(lock, [this, meeting = meetings_] { return meetings_ != meeting; });
  }

 private:
  const std::ptrdiff_t count_;
  std::ptrdiff_t missing_;
  std::size_t meetings_ = 0;
  std::mutex mutex_;
  std::condition_variable everybody_;
};

}  // namespace berth::tests
