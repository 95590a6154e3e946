// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Thread words on Windows, in slots of TlsAlloc, whose indexes are noted so that all can be given back.
#if defined(_WIN32)

#include <windows.h>

#include <array>

#include "arenas/pal/errno_keeper.hpp"
#include "arenas/pal/lock.hpp"
#include "arenas/pal/thread_word.hpp"

namespace berth::pal {

namespace {

constexpr std::size_t kMostSlots = 8;  // the library has fewer words

constinit Lock guard{LockRank::ThreadWords};
constinit std::array<DWORD, kMostSlots> taken{};  // under the guard, as its count
constinit std::size_t taken_count = 0;

}  // namespace

std::uint64_t ThreadSlot::read_far(std::uint32_t index) noexcept {
  const ErrnoKeeper keeper;
  return reinterpret_cast<std::uint64_t>(TlsGetValue(index));
}

bool ThreadSlot::take_index() noexcept {
  const LockGuard held(guard);
  if (index_.load(std::memory_order_relaxed) != kNone) return true;
  if (taken_count == kMostSlots) return false;
  const DWORD index = TlsAlloc();
  if (index == TLS_OUT_OF_INDEXES) return false;
  taken[taken_count++] = index;
  index_.store(index, std::memory_order_relaxed);
  return true;
}

void ThreadSlot::write(std::uint64_t value) noexcept {
  const ErrnoKeeper keeper;
  if (index_.load(std::memory_order_relaxed) == kNone && (value == 0 || !take_index())) return;
  TlsSetValue(index_.load(std::memory_order_relaxed), reinterpret_cast<void*>(value));
}

void release_thread_slots() noexcept {
  const LockGuard held(guard);
  while (taken_count > 0) TlsFree(taken[--taken_count]);
}

}  // namespace berth::pal

#endif
