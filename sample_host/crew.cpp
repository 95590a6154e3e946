// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
#include "crew.hpp"

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

#include "system.hpp"

namespace sample_host {
namespace {

// Lets threads go on together when all have come, or after a time, should the system refuse to start one of them.
class Meeting {
 public:
  explicit Meeting(int expected) : missing_(expected), staying_(expected) {}

  void arrive() {
    std::unique_lock lock(mutex_);
    if (--missing_ == 0) everybody_.notify_all();
    everybody_.wait_for(lock, std::chrono::seconds(5), [&] { return missing_ == 0; });
    if (--staying_ == 0) end_.notify_all();
  }
  // Until every expected thread has come and gone.
  void wait_for_end() {
    std::unique_lock lock(mutex_);
    end_.wait(lock, [&] { return staying_ == 0; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable everybody_;
  std::condition_variable end_;
  int missing_;
  int staying_;
};

// The C library keeps up to 40 MiB of stacks of ended threads. Filled now, it does not grow when a plugin's threads
// end.
void fill_stack_cache(int stacks) {
  Meeting meeting(stacks);
  std::vector<std::thread> threads;
  try {
    for (int i = 0; i < stacks; i++) threads.emplace_back([&] { meeting.arrive(); });
  } catch (const std::system_error&) {
    // As many as the system allows.
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace

Crew::Crew(int threads)
    : threads_(threads),
      limit_(tbb::global_control::max_allowed_parallelism, static_cast<std::size_t>(threads) + 1),
      arena_(threads, 0) {}

void Crew::warm_up(int stacks) {
  Meeting meeting(threads_);
  for (int i = 0; i < threads_; i++) {
    arena_.enqueue([&] {
      use_random_numbers();
      meeting.arrive();
    });
  }
  meeting.wait_for_end();
  // As the work will be, for TBB's allocator to have what it takes.
  constexpr int kTimes = 8;
  for (int i = 0; i < kTimes; i++) {
    for_each(
        static_cast<std::size_t>(threads_), [](std::size_t, std::size_t) {}, [] {}, std::chrono::milliseconds(10));
  }
  use_random_numbers();
  fill_stack_cache(stacks);
}

// One TBB task a worker, each of which takes the next index until none is left: a parallel_for would spawn tasks as
// chance has it, and TBB's allocator would now and then grow by some MiB in the middle of a measurement.
void Crew::for_each(std::size_t count, const std::function<void(std::size_t, std::size_t)>& task,
                    const std::function<void()>& look, std::chrono::milliseconds interval) {
  std::atomic<std::size_t> next{0};
  std::condition_variable changed;
  int running = 0;
  const auto started = [&] {
    const std::lock_guard lock(mutex_);
    running++;
  };
  for (std::size_t worker = 0; worker < static_cast<std::size_t>(threads_); worker++) {
    started();
    arena_.enqueue([&, worker] {
      // Synchronises with the caller for all to see: a thread sanitizer knows nothing of what TBB does.
      mutex_.lock();
      mutex_.unlock();
      for (std::size_t index = next++; index < count; index = next++) task(index, worker);
      const std::lock_guard lock(mutex_);
      if (--running == 0) changed.notify_one();
    });
  }
  std::unique_lock lock(mutex_);
  do {
    lock.unlock();
    look();
    lock.lock();
  } while (!changed.wait_for(lock, interval, [&] { return running == 0; }));
}

}  // namespace sample_host
