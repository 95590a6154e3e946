// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// The search for words that lead into an instance's live blocks: in every module's data, every stack and register,
// every heap, and in what other instances hold. Of the instance itself nothing counts: blocks that only point at each
// other are held by nobody.
#pragma once

#include <cstddef>
#include <cstdint>

#include "allocator/instance.hpp"
#include "host_api/src/references/block_index.hpp"

namespace berth::references {

enum class PlaceOf : std::uint8_t {
  Stack,      // a thread's, or its registers
  Instance,   // a live block of another instance
  Heap,       // the C library's
  Anonymous,  // other memory without a file
  File        // a module's data, or another mapped file
};

struct Found {
  std::uintptr_t at;
  std::uintptr_t target;
  LiveBlock block;
  PlaceOf place;
  std::int32_t thread;          // of a stack, as the system numbers it; else 0
  core::InstanceHandle holder;  // of an instance's memory, else None
  std::uintptr_t region;        // where the entry of the map table begins that holds it
  bool in_live_block;           // of an instance's memory: else it lies in the instance's books, or in a free block
  bool encoded = false;         // by the C library, which decodes it when it calls it
};

enum class Outcome : std::uint8_t {
  Done,
  ThreadsNotHeld,  // one could not be stopped, or the search took longer than it may stop threads
  OutOfMemory,
  Refused  // the system does not tell of memory and threads (no /proc)
};

// What is found, as far as there is room: in memory of its own.
class Findings {
 public:
  bool open(std::size_t most) noexcept;
  void add(const Found& found) noexcept;
  void clear() noexcept { count_ = 0; }
  Found* begin() const noexcept { return reinterpret_cast<Found*>(memory_.base()); }
  Found* end() const noexcept { return begin() + count_; }
  std::size_t count() const noexcept { return count_; }
  void keep(std::size_t count) noexcept { count_ = count; }
  bool is_full() const noexcept { return count_ == room_; }
  const core::Span& memory() const noexcept { return memory_; }

 private:
  core::Span memory_;
  std::size_t count_ = 0;
  std::size_t room_ = 0;
};

// Drops what lies in an instance's books or free blocks: only what it holds for somebody counts.
void drop_what_no_block_holds(Findings& out) noexcept;

// How long threads may take to stop. One that executes stops within a time slice.
inline constexpr std::uint64_t kPatienceNanoseconds = 500'000'000;

// Searches while all other threads stand still, for at most `longest_pause`. `caller_frame`: where the stack of the
// caller begins, as far as it counts. One search at a time in a process; a second one waits.
Outcome find_references(core::Instance& instance, std::uintptr_t caller_frame, std::uint64_t longest_pause_nanoseconds,
                        Findings& out) noexcept;

}  // namespace berth::references
