// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Stack sums: what samples say of a file over all its loads. A stack is what its frames are called, so that a module
// that comes back at another address is the same. Of each file so many stacks are known, of all files so many bytes of
// names; what is beyond that counts as "other stacks".
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "allocator/instance.hpp"
#include "berth/instance.h"
#include "host_api/src/routing/modules.hpp"

namespace berth::routing {

struct StackSum {
  std::uint64_t bytes = 0, blocks = 0;
  std::uint32_t depth = 0;
  const char* names[core::kMostFrames] = {};
};

class StackSums {
 public:
  static constexpr std::size_t kMost = 64;

  // What lives of a stack.
  void add(const berth_stack& stack) noexcept;
  void add(const StackSum& sum) noexcept;
  void clear() noexcept { count_.store(0, std::memory_order_relaxed); }

  // Most bytes first.
  void sort() noexcept;
  std::size_t count() const noexcept { return count_.load(std::memory_order_acquire); }
  const StackSum& operator[](std::size_t number) const noexcept { return sums_[number]; }

 private:
  void add(std::uint64_t bytes, std::uint64_t blocks, const char* const* names, std::uint32_t depth) noexcept;

  // Under one lock of all, but at the end of the process, when nobody waits: a sum that is just being added to is one
  // that was true a moment ago. A new one is counted when it is whole (release).
  std::array<StackSum, kMost> sums_{};
  std::atomic<std::size_t> count_{0};
};

// The core's instance of a module; null: it has none.
core::Instance* instance_in(const Module& module) noexcept;

// An instance ends, and what lives in it is forgotten.
void add_forgotten_stacks(const Module& module) noexcept;

// At the end of a process: of what was forgotten, is kept or lives, most bytes first. Null: nothing was sampled, or
// there is no memory. Valid until the next call.
const StackSums* stacks_at_end(const Record& record) noexcept;

}  // namespace berth::routing
