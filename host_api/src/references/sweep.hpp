// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// A sweep: every word of the process that lies between two numbers is shown to a visitor, with the place where it lies:
// modules' data, stacks and registers, heaps, what instances hold. What is prepared needs locks and memory; while
// threads stand still, the sweep makes system calls and nothing else.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "allocator/instance.hpp"
#include "host_api/src/references/held_threads.hpp"
#include "host_api/src/references/memory_map.hpp"
#include "host_api/src/references/pointer_encoding.hpp"
#include "host_api/src/references/search.hpp"

namespace berth::references {

struct Place {
  PlaceOf of;
  std::int32_t thread;          // of a stack, as the system numbers it; 0: not known, or none
  bool held;                    // on the stack or in the registers of a thread that stands still, not the caller's
  bool in_register;             // of such a thread
  core::InstanceHandle holder;  // of an instance's memory, else None
  std::uintptr_t region;        // where the entry of the map table begins that holds it
  bool encoded = false;         // the word is what the C library has encoded
};

class Sweep {
 public:
  using Visit = void (*)(void* context, std::uintptr_t at, std::uintptr_t word, const Place& place);

  // `caller_frame`: where the stack of the caller begins, as far as it counts.
  explicit Sweep(std::uintptr_t caller_frame) noexcept : caller_frame_(caller_frame) {}

  // What is done before threads stop: room for lists, and the list of instances.
  Outcome open() noexcept;
  // What lies there is nobody's.
  void leave_out(const core::Span& span) noexcept { add(span); }
  void leave_out(std::uintptr_t begin, std::uintptr_t end) noexcept;
  void leave_out(core::InstanceHandle instance) noexcept;
  bool leaves_out(std::uintptr_t address) const noexcept;
  // All is listed.
  void close_lists() noexcept;

  // From now on words count too that lie in the range once they are decoded. Not known: no more.
  void decode_too(const PointerEncoding& encoding) noexcept { encoding_ = encoding; }

  // Stops all threads but the calling one; in any case release() follows.
  Outcome hold(std::uint64_t longest_pause) noexcept;
  void release() noexcept { threads_.release(); }
  bool is_late() const noexcept { return late_; }

  enum class Stacks : std::uint8_t {
    OfHeldThreads,  // all threads are held
    OfTheCaller,    // nobody is held: what may be a stack of another thread is passed over
    None
  };
  // Shows each word w with w - low < size.
  Outcome run(std::uintptr_t low, std::size_t size, Stacks stacks, Visit visit, void* context) noexcept;
  // The same for the stacks and registers of held threads alone, as far as they stand where stacks are known to be.
  void run_held(std::uintptr_t low, std::size_t size, Visit visit, void* context) noexcept;
  // The same for one range.
  void run_range(std::uintptr_t from, std::uintptr_t end, const Place& place, std::uintptr_t low, std::size_t size,
                 Visit visit, void* context) noexcept;

 private:
  struct Listed {
    std::uintptr_t begin;
    std::uintptr_t end;
    core::InstanceHandle handle;  // None: left out
    bool left_out;
  };

  Listed* listed() const noexcept { return reinterpret_cast<Listed*>(spans_.base()); }
  void add(const core::Span& span) noexcept;
  void add(std::uintptr_t begin, std::uintptr_t end, core::InstanceHandle handle) noexcept;
  const Listed* at_or_behind(std::uintptr_t address) const noexcept;

  void search_region(const Region& region) noexcept;
  void search_process_memory(const Region& region, std::uintptr_t from, std::uintptr_t end) noexcept;
  void search_used(std::uintptr_t from, std::uintptr_t end, PageUse use, const Place& place) noexcept;
  void search_words(std::uintptr_t from, std::uintptr_t end, const Place& place) noexcept;
  void search_copy(std::uintptr_t from, std::size_t bytes, const Place& place) noexcept;
  bool may_read() const noexcept;
  bool is_dead_stack(const Region& region, std::uintptr_t end) noexcept;

  const std::uintptr_t caller_frame_;
  std::uintptr_t low_ = 0;
  std::size_t size_ = 0;
  Stacks stacks_ = Stacks::None;
  PointerEncoding encoding_;
  Visit visit_ = nullptr;
  void* context_ = nullptr;

  core::Span piece_;
  core::Span spans_;
  std::size_t count_ = 0;
  std::size_t room_ = 0;
  MemoryMap map_;
  UsedPages used_;
  HeldThreads threads_;
  std::uint64_t deadline_ = ~std::uint64_t{0};
  std::uintptr_t region_begin_ = 0;
  std::size_t tid_offset_ = 0;  // of the C library's record of a thread; 0: not known
  bool late_ = false;
  bool refused_ = false;
};

}  // namespace berth::references
