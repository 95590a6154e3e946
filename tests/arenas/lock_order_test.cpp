// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Debug builds end a process whose locks are taken out of order, and others do not know of ranks at all.
#include <sys/wait.h>

#include <csignal>

#include "arenas/pal/lock.hpp"
#include "support/catch.hpp"
#include "support/in_child.hpp"

using namespace berth;
using pal::Lock;
using pal::LockGuard;
using pal::LockRank;

TEST_CASE("locks that are taken in order are taken", "[lock_order]") {
  Lock shared(LockRank::SharedCache);
  Lock arena(LockRank::Arena);
  Lock ledger(LockRank::Ledger);
  for (int round = 0; round < 3; ++round) {
    const LockGuard first(shared);
    { const LockGuard leaf(ledger); }
    const LockGuard second(arena);
    const LockGuard leaf(ledger);
  }
  arena.lock();
  ledger.lock();
  arena.unlock();  // in which order they are given back is nobody's business
  ledger.unlock();
  const LockGuard again(shared);
}

#if defined(NDEBUG)

TEST_CASE("outside of debug builds a lock is its word and no more", "[lock_order]") {
  STATIC_REQUIRE(sizeof(Lock) == sizeof(std::uint32_t));
  Lock shared(LockRank::SharedCache);
  Lock arena(LockRank::Arena);
  const LockGuard second(arena);
  const LockGuard first(shared);
}

#elif !defined(__SANITIZE_THREAD__)  // see in_child.hpp

namespace {

template <typename Act>
void check_refused(Act act, const char* text) {
  const tests::Ending ending = tests::in_child(act);
  CAPTURE(ending.text);
  CHECK(WIFSIGNALED(ending.status));
  CHECK(WTERMSIG(ending.status) == SIGABRT);
  CHECK(ending.text.find(text) != std::string::npos);
}

}  // namespace

TEST_CASE("a lock that is taken out of order ends a debug build, and both are named", "[lock_order]") {
  Lock shared(LockRank::SharedCache);
  Lock slots(LockRank::CacheSlots);
  Lock arena(LockRank::Arena);
  Lock other_arena(LockRank::Arena);
  check_refused(
      [&] {
        const LockGuard second(arena);
        const LockGuard first(shared);
      },
      "berth: lock order: the lock of the shared cache is taken under that of the arena\n");
  // That it is free does not matter: another thread may hold it one day.
  check_refused(
      [&] {
        const LockGuard first(arena);
        const LockGuard second(other_arena);
      },
      "the lock of the arena is taken under that of the arena\n");
  check_refused(
      [&] {
        const LockGuard first(slots);
        { const LockGuard second(arena); }
        const LockGuard third(shared);
      },
      "the lock of the shared cache is taken under that of the slots of caches\n");
}

TEST_CASE("what the fork handlers let pass bars nothing, and what they still hold does", "[lock_order]") {
  Lock registry(LockRank::Registry);
  Lock shared(LockRank::SharedCache);
  Lock other_shared(LockRank::SharedCache);
  Lock ledger(LockRank::Ledger);
  const LockGuard all(registry);
  const LockGuard first(shared);
  pal::forget_ranks_from(LockRank::SharedCache);
  const LockGuard second(other_shared);
  const LockGuard leaf(ledger);
  check_refused([&] { registry.lock(); }, "the lock of the registry is taken under that of the ledger\n");
}

#endif
