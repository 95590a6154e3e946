// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Real time: pages for threads that may not wait. An instance with a real-time budget is born with its share for each
// of its real-time threads, a stock: pages that are resident, and locked where the system allows it. The thread that
// owns a stock takes pages and puts them back without a lock, a system call or a page fault:
//
//   takes                 from its stock; only where that is used up, from the arena as everyone does
//   frees its own         into its stock
//   frees another stock's onto a stack of that stock's, from which its owner helps itself
//   frees the arena's     onto a stack of the instance's, which the next thread that comes to the arena empties
//
// Whoever allocates pages or frees them in an instance comes through here.
//
// A fork makes all memory of the process copy-on-write. In the parent its handler has the budgets' pages copied before
// the threads that may not wait come to them; in the child the next thread that is prepared does so.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>

#include "allocator/misuse/text.hpp"
#include "allocator/settings.hpp"
#include "allocator/threads/thread_identity.hpp"
#include "arenas/arena.hpp"

namespace berth::core {

struct Instance;
struct ThreadCache;

// A stack of runs in the pagemap: the lower half of a run's aux word names the next, what the arena keeps there moves
// to the upper half (a span has fewer than 2^32 pages).
class PartingRuns {
 public:
  // [any thread]
  void push(const Pagemap& pagemap, PageNumber first) noexcept;

  // The whole stack: the index of its first run, 0: it is empty. next() takes a run out of what was taken.
  std::uint32_t take_all() noexcept;
  static std::uint32_t next(const Pagemap& pagemap, PageNumber first) noexcept;

  bool empty() const noexcept { return head_.load(std::memory_order_relaxed) == 0; }

 private:
  // Index into the pagemap, 0: none. Pushed by CAS (release) by anyone, taken by exchange (acquire): who takes it sees
  // the aux words that the others wrote.
  std::atomic<std::uint32_t> head_{0};
};

struct Stock {
  // Whose it is. Set by CAS (acq_rel) from kNobody or a dead thread's key; read by everyone, relaxed: the owner
  // recognises its own key.
  std::atomic<ThreadKey> owner;
  PartingRuns returned;  // by others
  Buddy buddy;           // the owner's alone
};

// Of one instance. Constant after its birth, but for the stocks' own and `deferred`.
struct RealtimeBudget {
  Stock* stocks = nullptr;
  std::uint32_t count = 0;
  PartingRuns deferred;       // the arena's, freed by real-time threads
  PageNumber first_page = 0;  // of stock 0; the others follow
  std::uint64_t pages = 0;    // of each
  // Whether the pages are still shared with the parent process. Set in a forked child by its only thread, cleared by
  // the first that is prepared there. Relaxed: the question goes to the system, and two that ask it do no harm.
  std::atomic<bool> inherited{false};

  std::span<Stock> all() const noexcept { return {stocks, count}; }
  Stock* owner_of(PageNumber page) const noexcept {
    const std::uint64_t offset = page - first_page;
    return offset < pages * count ? &stocks[offset / pages] : nullptr;
  }
};

namespace realtime {

// At the instance's birth. Where it fails, the instance is to be released.
Status open(Instance& instance, std::size_t bytes, std::uint32_t threads, Line& why) noexcept;

// Makes the calling thread one of the instance's real-time threads, with a cache and a stock that are resident. Busy:
// all stocks have living owners. Ok where the instance has no budget.
Status prepare_thread(Instance& instance, ThreadCache& cache) noexcept;

// The calling thread's stock, or null.
Stock* own_stock(Instance& instance) noexcept;

// As the arena's functions of these names.
Arena::Allocation allocate(Instance& instance, std::uint64_t pages, std::uint64_t alignment) noexcept;
bool deallocate(Instance& instance, char* address, std::uint64_t& pages, Arena::Use use = Arena::Use::Slab) noexcept;
Arena::Allocation allocate_to_grow(Instance& instance, std::uint64_t pages) noexcept;
Arena::Resize resize(Instance& instance, char* address, std::uint64_t pages, std::uint64_t& old_pages) noexcept;
char* relocate(Instance& instance, char* address, std::uint64_t pages, bool to_huge_pages) noexcept;

// Gives back what is over age, unless the calling thread may not wait.
void tend(Instance& instance) noexcept;

// Gives the arena what real-time threads have freed of it. [any thread that waits for the arena's lock anyway]
void free_deferred(Instance& instance) noexcept;

// Whether the calling thread may wait for none of the instance's locks.
inline bool may_not_wait(Instance& instance) noexcept { return own_stock(instance) != nullptr; }

// In the word of a run that was a slab: its states are to be given back (BlockStates::remove_slab) when the arena gets
// it, because the thread that freed it may not wait for their lock.
inline constexpr std::uint64_t kStatesBit = std::uint64_t{1} << 46;

// In a parent after a fork, under the instance's locks: the budget, its books and its threads' caches get pages of
// their own again, while their owners work with them. False: the system has not enough memory.
bool own_again(Instance& instance) noexcept;

// In a forked child: the stocks of threads that it does not have may have been cut in mid-change. Nobody takes them.
// Locks on memory are not inherited, and all of it is shared with the parent.
void abandon_stocks_of_others(Instance& instance) noexcept;

}  // namespace realtime

}  // namespace berth::core
