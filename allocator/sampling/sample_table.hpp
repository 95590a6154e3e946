// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Sample table: which stacks have allocated in an instance, how much of it lives, and which live blocks are samples. It
// lies in the instance's own span, below the blocks ("one instance, one span"), in a room of fixed size: nobody's
// blocks and nobody's quota pay for it, and it cannot grow beyond that room. Until sampling is switched on for the
// first time the room is inaccessible.
//
//   base of the span                                                                        floor of the blocks
//    | states of blocks | heads of samples | heads of stacks, stacks, names | samples -> inaccessible |
//
// Whatever finds no room for its stack counts as "other stacks". A live sample for which there is no room counts among
// what was allocated, and not among what lives.
//
// All under one lock of the instance, which the caller holds.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "allocator/sampling/draws.hpp"
#include "arenas/arena.hpp"

namespace berth::core {

inline constexpr unsigned kMostFrames = 32;

// One of them stands where a stack would: what it counts has no frames.
enum class StackKind : std::uint8_t { Known, Others, Realtime };

// Sums of what samples stand for.
struct StackSums {
  draws::Weight live;
  draws::Weight total;
  draws::Weight peak;  // that lived when most lived
};

// Where the code of a frame lies in its module's file, which outlives the module.
struct FramePlace {
  const char* module =
      nullptr;               // the file's build-id in hexadecimal digits, or "-", a space, and its path; null: unknown
  std::uint32_t offset = 0;  // of the return address, from where the file's addresses count
};

// What a reader gets: a copy, so that the lock is not held while somebody looks at it.
struct StackCopy {
  StackKind kind = StackKind::Known;
  std::uint32_t number = 0;  // of this stack in its table; never 0 of one that there is
  std::uint32_t depth = 0;
  const void* frames[kMostFrames];
  const char* names[kMostFrames];  // in the span; null: not told yet
  FramePlace places[kMostFrames];  // told with the names, and in the span as they are
  bool sealed = false;             // what could be told was told: the addresses mean nothing any more
  StackSums sums;
};

class SampleTable {
 public:
  // How much room a span of this size leaves to it.
  static std::size_t room(std::size_t span_bytes) noexcept;

  // Where it lies; nothing is touched.
  void place(char* begin, std::size_t bytes) noexcept;

  // Makes it accessible, the first time. False: the system refuses.
  bool open(Arena& arena) noexcept;
  bool is_open() const noexcept { return limit_ != nullptr; }

  // A sample was allocated by this stack; none is known at its address. False: nobody watches whether it lives.
  bool add(Arena& arena, const void* block, const void* const* frames, unsigned depth, draws::Weight weight) noexcept;
  // One that nobody watches: of a thread that may not wait for the lock, already summed up.
  void add_unwatched(StackKind kind, draws::Weight total) noexcept;
  // The block ends. False: it is no sample.
  bool remove(const void* block) noexcept;
  // Of a live sample: what it stands for and who allocated it, to be put back with restore(). False: it is none.
  struct Taken {
    std::uint32_t stack = 0;
    draws::Weight weight;
  };
  bool take(const void* block, Taken& taken) noexcept;
  bool restore(Arena& arena, const void* block, const Taken& taken) noexcept;

  // Copies one stack after the other: cursor 0 is the first. False: there are no more.
  bool read(std::uint32_t& cursor, StackCopy& out) const noexcept;

  // The number of the stack of a live sample; 0: it is none.
  std::uint32_t stack_of(const void* block) const noexcept;

  // What the frames of a stack are called, while their modules are mapped: kept with the stack, which from then on
  // takes no more samples, because another module may come to the same addresses.
  void keep_names(std::uint32_t stack_number, const char* const* names, const FramePlace* places) noexcept;

 private:
  struct Sample {
    std::uint64_t address;  // its complement: a word of ours is no pointer to a block
    std::uint32_t next;     // of the chain, 0: none; or of the free ones
    std::uint32_t stack;
    draws::Weight weight;
  };
  struct Stack {
    std::uint64_t hash;
    std::uint32_t next;
    std::uint8_t depth;
    StackKind kind;
    bool sealed;  // its names were kept
    std::uint8_t unused;
    StackSums sums;
    std::uint64_t peak_number;  // of the highest peak whose `sums.peak` is kept; older: it is `sums.live`
  };
  static_assert(sizeof(Sample) == 32 && sizeof(Stack) % 8 == 0);

  template <typename T>
  T* at(std::uint32_t unit) const noexcept {
    return reinterpret_cast<T*>(base_ + std::size_t{unit} * 8);
  }
  std::uint32_t unit_of(const void* place) const noexcept {
    return static_cast<std::uint32_t>((static_cast<const char*>(place) - base_) / 8);
  }
  const void** frames_of(Stack& stack) const noexcept { return reinterpret_cast<const void**>(&stack + 1); }
  std::uint32_t* names_of(Stack& stack) const noexcept {
    return reinterpret_cast<std::uint32_t*>(frames_of(stack) + stack.depth);
  }
  std::uint32_t* modules_of(Stack& stack) const noexcept { return names_of(stack) + stack.depth; }
  std::uint32_t* offsets_of(Stack& stack) const noexcept { return modules_of(stack) + stack.depth; }
  static std::size_t bytes_of(unsigned depth) noexcept;

  std::uint32_t& head_of(const void* block) const noexcept;
  std::uint32_t new_sample(Arena& arena) noexcept;
  std::uint32_t make_stack(StackKind kind, std::uint64_t hash, const void* const* frames, unsigned depth) noexcept;
  std::uint32_t find_stack(const void* const* frames, unsigned depth) noexcept;
  std::uint32_t keep_name(const char* name, std::size_t most) noexcept;
  bool insert(Arena& arena, const void* block, std::uint32_t stack, draws::Weight weight) noexcept;
  void before_change(Stack& stack) noexcept;
  void count_live(Stack& stack, draws::Weight weight) noexcept;
  void end_live(Stack& stack, draws::Weight weight) noexcept;

  char* base_ = nullptr;  // constant; what follows begins with open()
  std::size_t bytes_ = 0;
  char* limit_ = nullptr;  // accessible up to here
  std::uint32_t* heads_ = nullptr;
  std::uint32_t head_mask_ = 0;
  std::uint32_t* stack_heads_ = nullptr;
  char* stacks_begin_ = nullptr;
  char* stacks_end_ = nullptr;   // of those that there are
  char* names_begin_ = nullptr;  // names grow down to the stacks
  char* names_top_ = nullptr;
  char* samples_begin_ = nullptr;
  char* samples_end_ = nullptr;
  std::uint32_t free_samples_ = 0;
  std::uint32_t others_ = 0;
  std::uint32_t realtime_ = 0;
  std::uint64_t live_bytes_ = 0;
  std::uint64_t peak_bytes_ = 0;
  std::uint64_t peak_number_ = 0;
};

}  // namespace berth::core
