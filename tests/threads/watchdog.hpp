// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Ends a program that makes no headway for a minute. Where each thread is tells the core or the debugger.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <thread>

namespace crew {

class Watchdog {
 public:
  Watchdog() : thread_([this] { watch(); }) {}
  Watchdog(const Watchdog&) = delete;
  Watchdog& operator=(const Watchdog&) = delete;
  ~Watchdog() {
    tell(ended_);
    thread_.join();
  }

  void pat() { tell(patted_); }

 private:
  void tell(bool& what) {
    const std::lock_guard held(mutex_);
    what = true;
    told_.notify_one();
  }

  void watch() {
    std::unique_lock held(mutex_);
    while (!ended_) {
      patted_ = false;
      if (told_.wait_for(held, std::chrono::minutes(1), [this] { return patted_ || ended_; })) continue;
      std::fputs("no round has ended for a minute: a deadlock\n", stderr);
      std::abort();
    }
  }

  std::mutex mutex_;
  std::condition_variable told_;
  bool patted_ = false;
  bool ended_ = false;
  std::thread thread_;
};

}  // namespace crew
