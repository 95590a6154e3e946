// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
#include "arenas/pal/lock_order.hpp"

#include "arenas/pal/lock.hpp"

constinit std::atomic<std::uintptr_t> berth::pal::fork_holder{0};

#if !defined(NDEBUG)

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "arenas/pal/pal.hpp"
#include "arenas/pal/thread_word.hpp"

namespace berth::pal {

namespace {

constexpr std::array kNames = {
    "the host's lists", "what is published", "the registry", "the shared cache", "the slots of caches",
    "the block states", "guarded blocks",    "samples",      "the arena",        "the table of threads",
    "the departed",     "the ledger",        "the log",      "the fault handler"};
static_assert(kNames.size() == static_cast<std::size_t>(LockRank::ThreadWords));

// A bit for each rank of which the calling thread holds a lock.
constinit BERTH_THREAD_WORD(std::uint64_t, 0) held = 0;

constexpr std::uint64_t bit(LockRank rank) noexcept { return std::uint64_t{1} << static_cast<unsigned>(rank); }

[[noreturn]] void refuse(std::size_t rank, std::size_t under) noexcept {
  char text[160];
  char* end = text;
  for (const std::string_view part :
       {"berth: lock order: the lock of ", kNames[rank], " is taken under that of ", kNames[under], "\n"}) {
    end = std::copy(part.begin(), part.end(), end);
  }
  write_error(text, static_cast<std::size_t>(end - text));
  abort_process();
}

}  // namespace

void OrderedLock::enter() const noexcept {
  if (rank_ == LockRank::ThreadWords) return;
  const std::uint64_t others = held;
  if (others >= bit(rank_))
    refuse(static_cast<std::size_t>(rank_), static_cast<std::size_t>(std::bit_width(others)) - 1);
  held = others | bit(rank_);
}

void OrderedLock::leave() const noexcept {
  // What was forgotten, or is given back for a thread that cannot (leave_fork_handlers), is not there any more.
  if (rank_ != LockRank::ThreadWords) held = held & ~bit(rank_);
}

void forget_ranks_from(LockRank first) noexcept { held = held & (bit(first) - 1); }

}  // namespace berth::pal

#endif
