// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// A thread that does what it is handed, one piece at a time, while the one who hands it over waits: operations come
// from several threads, yet in one order that a seed decides.
#pragma once

#include <condition_variable>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>
#include <utility>

namespace property {

class Actor {
 public:
  Actor() : thread_([this] { run(); }) {}
  Actor(const Actor&) = delete;
  Actor& operator=(const Actor&) = delete;
  ~Actor() {
    hand_over({});
    thread_.join();
  }

  // Runs `work` on this thread and returns when it is done; what it throws is thrown here.
  void perform(std::function<void()> work) {
    hand_over(std::move(work));
    std::unique_lock lock(mutex_);
    turn_.wait(lock, [this] { return !pending_; });
    if (thrown_ != nullptr) std::rethrow_exception(std::exchange(thrown_, nullptr));
  }

 private:
  void hand_over(std::function<void()> work) {
    {
      std::lock_guard lock(mutex_);
      work_ = std::move(work);
      pending_ = true;
    }
    turn_.notify_all();
  }

  void run() {
    for (;;) {
      std::unique_lock lock(mutex_);
      turn_.wait(lock, [this] { return pending_; });
      if (!work_) return;
      // Without the lock: work may hand work on to another actor. Whoever handed it over waits and touches nothing.
      lock.unlock();
      std::exception_ptr thrown;
      try {
        work_();
      } catch (...) {
        thrown = std::current_exception();
      }
      lock.lock();
      thrown_ = thrown;
      pending_ = false;
      lock.unlock();
      turn_.notify_all();
    }
  }

  std::mutex mutex_;
  std::condition_variable turn_;
  std::function<void()> work_;
  std::exception_ptr thrown_;
  bool pending_ = false;
  std::thread thread_;
};

}  // namespace property
