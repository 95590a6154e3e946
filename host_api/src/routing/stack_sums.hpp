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
  struct Weight {
    std::uint64_t bytes = 0, blocks = 0;
  };
  Weight forgotten;  // in instances that have ended
  Weight live;       // in those that have not, kept ones among them
  Weight peak;       // when most lived in one load: that of all loads in which most did
  std::uint32_t depth = 0;
  std::uint32_t number = 0;  // its place before they were sorted
  const char* names[core::kMostFrames] = {};
  core::FramePlace places[core::kMostFrames] = {};

  std::uint64_t bytes() const noexcept { return forgotten.bytes + live.bytes; }
  std::uint64_t blocks() const noexcept { return forgotten.blocks + live.blocks; }
};

// What one load has left behind when its module was gone, and what lived when most did, by the places of stacks. What
// there is no room for counts in the last one.
struct CycleStacks {
  struct Entry {
    std::uint32_t number = 0;  // of the stack
    std::uint64_t left = 0, peak = 0;
  };
  static constexpr std::uint32_t kOthers = ~0u;
  static constexpr std::size_t kMost = 24;

  void add(std::uint32_t number, std::uint64_t left, std::uint64_t peak) noexcept;

  std::size_t count = 0;
  std::array<Entry, kMost> entries{};
};

class StackSums {
 public:
  static constexpr std::size_t kMost = 128;

  // The stacks of an instance: of what lives in it, as what it is from now on (live or forgotten), or its peak, where
  // no load before had a higher one. With the last one, what the load was: `cycle`, which may be null.
  void add_live(core::Instance& instance, core::sampling::Patience patience, StackSum::Weight StackSum::*as) noexcept;
  void add_peak(core::Instance& instance, core::sampling::Patience patience, CycleStacks* cycle) noexcept;
  void add(const StackSums& others) noexcept;
  void clear() noexcept;

  // The stacks of one of the last loads, from 0 on as History counts them.
  CycleStacks& cycle(std::uint64_t number) noexcept { return cycles_[number % History::kCycles]; }
  const CycleStacks& cycle(std::uint64_t number) const noexcept { return cycles_[number % History::kCycles]; }

  // Most bytes first, and by peaks where nothing is left.
  void sort() noexcept;
  std::size_t count() const noexcept { return count_.load(std::memory_order_acquire); }
  const StackSum& operator[](std::size_t number) const noexcept { return sums_[number]; }

 private:
  // Never null: what there is no room for is "other stacks", which there is always room for.
  StackSum& find(const char* const* names, const core::FramePlace* places, std::uint32_t depth) noexcept;

  // Under one lock of all, but at the end of the process, when nobody waits: a sum that is just being added to is one
  // that was true a moment ago. A new one is counted when it is whole (release).
  std::array<StackSum, kMost> sums_{};
  std::atomic<std::size_t> count_{0};
  std::uint64_t peak_bytes_ = 0;  // of the load whose peak is known
  std::array<CycleStacks, History::kCycles> cycles_{};
};

// The core's instance of a module; null: it has none.
core::Instance* instance_in(const Module& module) noexcept;

// A load has ended, the one that its record's history counts next: what it has left, and what lived at its peak.
void note_cycle_stacks(const Module& module) noexcept;

// An instance ends, and what lives in it is forgotten.
void add_forgotten_stacks(const Module& module) noexcept;

// At the end of a process: of what was forgotten, is kept or lives, most bytes first, and of what lived at the peak.
// Null: nothing was sampled, or there is no memory. Valid until the next call.
const StackSums* stacks_at_end(const Record& record) noexcept;

}  // namespace berth::routing
