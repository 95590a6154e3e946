// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Of oneTBB, for systems that have no package of it: an arena whose tasks are enqueued, on native threads.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

namespace tbb {

class task_arena {
 public:
  // Of the threads, `reserved_for_masters` are the callers', who have no way in here.
  explicit task_arena(int max_concurrency, unsigned reserved_for_masters = 1) {
    for (int i = static_cast<int>(reserved_for_masters); i < max_concurrency; ++i) {
      workers_.emplace_back([this] { work(); });
    }
  }
  task_arena(const task_arena&) = delete;
  task_arena& operator=(const task_arena&) = delete;
  // What is enqueued is done first.
  ~task_arena() {
    {
      const std::lock_guard lock(mutex_);
      ends_ = true;
      changed_.notify_all();
    }
    for (std::thread& worker : workers_) worker.join();
  }

  template <typename Task>
  void enqueue(Task&& task) {
    const std::lock_guard lock(mutex_);
    tasks_.emplace_back(std::forward<Task>(task));
    changed_.notify_one();
  }

 private:
  void work() {
    std::unique_lock lock(mutex_);
    for (;;) {
      changed_.wait(lock, [this] { return ends_ || !tasks_.empty(); });
      if (tasks_.empty()) return;
      const std::function<void()> task = std::move(tasks_.front());
      tasks_.pop_front();
      lock.unlock();
      task();
      lock.lock();
    }
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> tasks_;
  bool ends_ = false;
  std::vector<std::thread> workers_;
};

}  // namespace tbb
