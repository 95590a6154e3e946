// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Guarded blocks, at GUARDED: of the allocations one in so many gets pages of its own. Which, is drawn at random, as
// GWP-ASan does: a fixed distance would meet the same few of a program's allocations again and again, and others never.
//
//   | inaccessible page | canary ... | block, canary in its slack | inaccessible page |
//
// The block ends where its pages end, so that the first byte behind its usable size faults, as does a page before it.
// The canaries, before it and in what it has over the bytes that were asked for, are looked at when it is freed or
// resized. A freed block is inaccessible until so many others have been freed after it. The fault handler
// (fault_report) names whoever comes by.
//
// A block of no more than a page lies in a slot. Slots are made by the eight, ahead of the allocations that take them,
// and go round: live, freed, ready for the next one. That costs two system calls a round, and no page fault.
//
// The entry of the first page of such a run tells all of it, in one word that anyone may read:
//     63 | 62..60  | 48   | 47..40 | 39..0
//      1 | Guarded | live | class  | pages, with the two inaccessible ones
// and the aux word of the second page has the slack of those that are live, and links those that were freed.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "allocator/blocks/known_sizes.hpp"
#include "allocator/blocks/pattern.hpp"
#include "arenas/pagemap.hpp"
#include "arenas/pal/lock.hpp"

namespace berth::core {

struct Instance;

struct GuardedBlock {
  PageNumber first = 0;  // of the run; 0: none
  std::uint64_t pages = 0;
  unsigned size_class = 0;
  bool live = false;
  char* start = nullptr;
  std::size_t bytes = 0;  // usable
};

// An instance's part, all zero at first.
struct Guard {
  pal::Lock lock{pal::LockRank::GuardedBlocks};  // guards the lists; the arena's may be taken under it
  std::uint32_t rate = 0;                        // one in so many; constant
  pattern::PairBytes fill = {};                  // of free small blocks; constant
  std::uint64_t canary_secret = 0;               // constant

  // The freed ones. Indexes into the pagemap of the first pages; 0: none.
  std::uint32_t oldest = 0;
  std::uint32_t newest = 0;
  std::uint32_t freed_blocks = 0;
  std::uint64_t freed_pages = 0;
  std::uint32_t ready = 0;  // the first of the slots that are ready; 0: none

  // Any thread, relaxed: each number stands for itself.
  std::atomic<std::uint64_t> draws{0};      // where the random numbers are; whoever draws moves on
  std::atomic<std::uint64_t> guarded{0};    // allocations
  std::atomic<std::uint64_t> unguarded{0};  // those whose turn it was, without memory or map entries for it
  std::atomic<std::uint32_t> runs{0};       // live or freed
};

namespace guarded_blocks {

inline constexpr std::uint32_t kDefaultRate = 4000;

// Each splits the map table's entry of the window, by two entries more; of all instances so many at once leave half of
// the 65,530 that a process has.
inline constexpr std::uint32_t kMostOfAll = 16000;

// At the birth of the instance. Rate 0: the default.
void open(Instance& instance, std::uint32_t rate) noexcept;

// How many allocations further the next guarded one is: the rate on average, evenly drawn from 1 to twice the rate,
// less one. Each thread counts for itself, the allocations of each small class and the large ones, so that neither a
// pattern of them nor another thread decides whose turn it is.
std::uint32_t distance(Guard& guard) noexcept;

// Whether it is the turn of an allocation that has nothing to count in.
bool is_drawn(Guard& guard) noexcept;

// A block of a class, or a large one, of default alignment or up to a page's, whose turn it is. `size` is what counts
// as asked for, until set_asked() says otherwise. Null: there is no memory or map entry for it.
void* allocate(Instance& instance, unsigned size_class, std::size_t alignment, std::size_t size) noexcept;

// The guarded block that begins at the address, live or freed; none if there is no such.
GuardedBlock at(Instance& instance, const void* address) noexcept;

// What the word of a run's first page tells.
GuardedBlock describe(PageNumber first, std::uint64_t word) noexcept;

// `size` bytes were asked for. From now on what the live block has over them is slack, and nobody's to write to.
void set_asked(Instance& instance, const GuardedBlock& block, std::size_t size) noexcept;

// The plugin was told the usable size: it may write to all of it, and give it to a sized free.
void set_measured(Instance& instance, const GuardedBlock& block) noexcept;

// Any, if the block does not live any more.
KnownSizes sizes(Instance& instance, const GuardedBlock& block) noexcept;

enum class State : std::uint8_t { Sound, Freed, WrittenBefore, WrittenBehind };
// Of one that at() has found live: another thread may have freed it, and its canaries may not be as they were.
State check(Instance& instance, const GuardedBlock& block) noexcept;

// Frees one, if it is sound.
State deallocate(Instance& instance, const GuardedBlock& block) noexcept;

// Gives the freed ones back to the arena, and those that are ready.
void purge(Instance& instance) noexcept;

// The instance ends, and its runs with it.
void close(Instance& instance) noexcept;

// Runs of all instances.
std::uint32_t runs_of_process() noexcept;

// For the fork handlers, in the child: as the arena's functions of these names.
void forget_counts() noexcept;
void count_again(const Instance& instance) noexcept;

}  // namespace guarded_blocks

}  // namespace berth::core
