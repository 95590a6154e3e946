// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Thread identity: one key a thread, never used again in a process, and a small index that its successors inherit.
//
// A key, as it stands in a thread's one TLS word, in the owner field of its caches and in the words of its slabs:
//     63 | 62..27        | 26..17 | 16..0
//      0 | serial number | index  | 0
//
// No hook at thread exit is needed, and on Linux none runs ("nothing process-wide outlives its use": it would pin or
// outlive a module). A thread that has ended is found dead by those who come after it: its system thread number is
// gone. A number that was given to a new thread only reads as alive, which keeps a cache from its heirs but never takes
// one from its owner.
//
// When the serial numbers are used up, after 69 billion threads, new threads share a cache: a number that came again
// would make its thread the owner of another one's blocks.
#pragma once

#include <cstdint>

#include "arenas/pal/lock.hpp"
#include "arenas/pal/thread_word.hpp"

namespace berth::core {

using ThreadKey = std::uint64_t;

inline constexpr unsigned kThreadKeyShift = 17;
inline constexpr unsigned kThreadIndexBits = 10;
inline constexpr std::uint64_t kLastThreadSerial = (std::uint64_t{1} << 36) - 1;
static_assert((kLastThreadSerial << kThreadIndexBits << kThreadKeyShift) >> 63 == 0);
inline constexpr std::uint32_t kMaxThreads = 1022;  // with a cache of their own; the others share one
inline constexpr std::uint32_t kNoThreadIndex = 1023;

// Serial number 0 is no thread's.
inline constexpr ThreadKey kNobody = 0;                                       // a cache without an owner
inline constexpr ThreadKey kCollector = ThreadKey{1} << kThreadKeyShift;      // being emptied on behalf of the dead
inline constexpr ThreadKey kEverybody = ThreadKey{2} << kThreadKeyShift;      // the shared cache
inline constexpr ThreadKey kAbandoned = ThreadKey{4} << kThreadKeyShift;      // left behind by a fork, for ever
inline constexpr ThreadKey kUnknownThread = ThreadKey{3} << kThreadKeyShift;  // a thread without a key yet

inline constexpr std::uint32_t thread_index(ThreadKey key) noexcept {
  return static_cast<std::uint32_t>(key >> kThreadKeyShift) & ((1u << kThreadIndexBits) - 1);
}

// Trivially destructible, constant-initialised: its access is a load, and TLS destructors may still allocate.
extern constinit BERTH_THREAD_WORD(ThreadKey, kUnknownThread) thread_key;

namespace thread_identity {

// The calling thread's key, made now if it has none. Its index is kNoThreadIndex while kMaxThreads others live; then it
// is no key of its own, and takes no serial number.
ThreadKey obtain_index() noexcept;

// Ends the calling thread's key: its caches have no owner from now on.
void resign() noexcept;

// Whether the key belongs to a living thread.
bool alive(ThreadKey key) noexcept;

// As if so many threads had come and gone: for the test of what happens when the serial numbers are used up.
void pass_serials(std::uint64_t count) noexcept;

// The lock of the table, and what a forked child does to it: one thread is left. The indexes of the others are given to
// new threads when there are no fresh ones left: good for new instances, while in inherited ones their caches are not
// given to anyone.
pal::Lock& lock() noexcept;
void only_this_thread_is_left() noexcept;

}  // namespace thread_identity

}  // namespace berth::core
