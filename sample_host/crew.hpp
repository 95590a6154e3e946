// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// The threads that do the work: a TBB arena of a fixed number of workers. The calling thread is none of them: it looks
// on, measures and draws progress.
#pragma once

#include <tbb/global_control.h>
#include <tbb/task_arena.h>

#include <chrono>
#include <cstddef>
#include <functional>
#include <mutex>

namespace sample_host {

class Crew {
 public:
  explicit Crew(int threads);

  int threads() const { return threads_; }

  // Starts every worker and has the process do once what it does only once: TBB's own allocator and threads, the C
  // library's cache of thread stacks, the state of its random numbers. A measurement of "before" comes after this.
  // `stacks`: how many threads of their own the plugins and the work may have at once.
  void warm_up(int stacks = 8);

  // Calls task(0, worker) ... task(count - 1, worker) on the workers, which are numbered from 0, and look() on this
  // thread, at least once and then about every `interval`, until they are done. The task must not throw.
  void for_each(std::size_t count, const std::function<void(std::size_t, std::size_t)>& task,
                const std::function<void()>& look, std::chrono::milliseconds interval);

 private:
  int threads_;
  std::mutex mutex_;  // older than the threads; each piece of work begins and ends under it
  tbb::global_control limit_;
  tbb::task_arena arena_;
};

}  // namespace sample_host
