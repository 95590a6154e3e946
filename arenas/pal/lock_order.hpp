// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// The order of locks: who holds one takes only those of a later rank. All locks of the library are listed here,
// so that the order can be read in one place. Debug builds keep to it: a lock taken out of order ends the process, and
// says which two it was, whether another thread was about to do the same or not. In other builds a lock has no rank.
#pragma once

#include <cstdint>

namespace berth::pal {

enum class LockRank : std::uint8_t {
  Host,        // what lists modules and plugins: one at a time, and memory may be asked for under it
  Publishing,  // what other processes read of the instances
  Registry,
  // Those of one instance.
  SharedCache,
  CacheSlots,
  BlockStates,
  GuardedBlocks,
  Samples,
  Arena,
  // Leaves: nothing is taken under them but by the fork handlers, which take them all.
  Threads,
  Departed,
  Ledger,
  Log,
  Faults,
  ThreadWords  // not checked: where there is no thread_local, the check itself needs it
};

#if defined(NDEBUG)

class OrderedLock {
 public:
  explicit constexpr OrderedLock(LockRank) noexcept {}
  void enter() const noexcept {}
  void leave() const noexcept {}
};
inline void forget_ranks_from(LockRank) noexcept {}

#else

class OrderedLock {
 public:
  explicit constexpr OrderedLock(LockRank rank) noexcept : rank_(rank) {}
  // Before it is taken, so that what would be a deadlock is told instead.
  void enter() const noexcept;
  void leave() const noexcept;

 private:
  LockRank rank_;
};

// What the calling thread holds of this and later ranks bars it from no lock any more: for the fork handlers, which
// take the locks of one instance after those of another.
void forget_ranks_from(LockRank first) noexcept;

#endif

}  // namespace berth::pal
