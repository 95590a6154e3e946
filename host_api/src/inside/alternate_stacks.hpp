// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Stacks that threads have given their signals' handlers (sigaltstack). The system does not check what they lie in: a
// signal that is delivered to one that is no longer mapped kills the process.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <unordered_set>

namespace berth::detail {

struct AlternateStack {
  std::uintptr_t begin = 0;
  std::size_t bytes = 0;  // 0: there is none
};

// Threads that have seen a plugin leave and did not tell their alternate stack then: it may be gone with the plugin.
// They are asked on the stack that they run on. [any thread]
class UnaskedThreads {
 public:
  // Another thread that has the number by now is asked on its own stack, too, which does it no harm.
  void add(pid_t thread) {
    const std::lock_guard lock(mutex_);
    threads_.insert(thread);
  }
  bool has(pid_t thread) {
    const std::lock_guard lock(mutex_);
    return threads_.count(thread) != 0;
  }
  void forget_except(const std::unordered_set<pid_t>& living) {
    const std::lock_guard lock(mutex_);
    std::erase_if(threads_, [&](pid_t thread) { return living.count(thread) == 0; });
  }

 private:
  std::mutex mutex_;
  std::unordered_set<pid_t> threads_;
};

}  // namespace berth::detail
