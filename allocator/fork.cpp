// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Before the fork every lock is taken, so that what it guards is whole: the registry's first, then instance by instance
// in the order of lines, then the leaves; but for the instances, in the order of arenas/pal/lock_order.hpp. What no
// lock guards are the caches of other threads, which the fork may cut in mid-change: in the child nobody takes them
// over. So it loses the free blocks that they held, and nothing else. What a thread had reserved for an instance that
// it was creating or destroying goes back in the child. In the parent the budgets of real-time threads are made its own
// again before the locks are given back: only under them do the pages stay what they are. Between our handlers those of
// the process that are older than ours run, on the thread that forks and in the child: for them every lock is open
// (arenas/pal/lock.hpp).
#include "allocator/fork.hpp"

#include <algorithm>
#include <atomic>
#include <bitset>
#include <cstdint>

#include "allocator/instance.hpp"
#include "allocator/misuse/departed.hpp"
#include "allocator/misuse/log.hpp"
#include "allocator/observer.hpp"
#include "allocator/pressure.hpp"
#include "allocator/registry.hpp"
#include "allocator/threads/cache_ownership.hpp"
#include "allocator/threads/thread_identity.hpp"
#include "arenas/ledger.hpp"
#include "arenas/pal/cancellation.hpp"
#include "arenas/pal/pal.hpp"

namespace berth::core {

namespace {

// Between prepare and parent or child it belongs to whoever has taken `forking`.
constinit std::bitset<registry::kCapacity> held;

// In the same way.
constinit int cancellation_before = 0;
constinit const Observer* told = nullptr;    // who was told of the fork
constinit std::uint32_t shared_budgets = 0;  // real-time budgets for which there was no memory

// Set when prepare has taken everything (release), taken by the one who gives it back (acquire).
constinit std::atomic<bool> forking{false};

// Threads that execute one of the handlers, written by them; and whether the module ends, written by its end. Each side
// writes its own and then reads the other's (seq_cst): either the end waits for a handler, or the handler does nothing.
constinit std::atomic<std::uint32_t> executing{0};
constinit std::atomic<bool> ended{false};

constexpr std::uint64_t kFirstPause = 20'000;  // nanoseconds
constexpr std::uint64_t kLongestPause = 1'000'000;

class Execution {
 public:
  Execution() noexcept { executing.fetch_add(1); }
  ~Execution() { executing.fetch_sub(1); }
  Execution(const Execution&) = delete;
  Execution& operator=(const Execution&) = delete;
};

void lock_instance(Instance& instance) noexcept {
  instance.shared_lock.lock_for_fork();
  instance.slots_lock.lock_for_fork();
  instance.block_states.lock().lock_for_fork();
  instance.guard.lock.lock_for_fork();
  instance.sampling.lock.lock_for_fork();
  instance.arena.lock().lock_for_fork();
  pal::forget_ranks_from(pal::LockRank::SharedCache);  // the next instance's may come
}

void unlock_instance(Instance& instance) noexcept {
  instance.arena.lock().unlock_after_fork();
  instance.sampling.lock.unlock_after_fork();
  instance.guard.lock.unlock_after_fork();
  instance.block_states.lock().unlock_after_fork();
  instance.slots_lock.unlock_after_fork();
  instance.shared_lock.unlock_after_fork();
}

void prepare() noexcept {
  const Execution here;
  if (ended.load()) return;
  // Other handlers run before ours give the locks back, and may be cancellation points. It is kept where both this
  // thread and the child find it, by the locks.
  const int cancellation = pal::disable_cancellation();
  const Observer* const observer = observer::get();
  if (observer != nullptr) observer->before_fork();
  registry::lock().lock_for_fork();
  told = observer;
  cancellation_before = cancellation;
  registry::hold_all(held, lock_instance);
  thread_identity::lock().lock_for_fork();
  departed::lock().lock_for_fork();
  ledger::lock().lock_for_fork();
  log::lock().lock_for_fork();
  pal::forget_ranks_from(pal::LockRank::Publishing);  // what other handlers take comes under none of these
  pal::fork_holder.store(pal::thread_token(), std::memory_order_relaxed);
  forking.store(true, std::memory_order_release);
}

void tell_shared_budgets(std::uint32_t count) noexcept {
  Line line;
  line << "berth: memory was short in a fork: the real-time budgets of " << std::uint64_t{count}
       << " plugins are shared with the child, and take page faults at their next use";
  log::write(log::Severity::Warning, log::Code::NotLocked, line.c_str());
}

void give_back() noexcept {
  if (!forking.exchange(false, std::memory_order_acquire)) return;
  pal::fork_holder.store(0, std::memory_order_relaxed);
  shared_budgets = 0;
  log::lock().unlock_after_fork();
  ledger::lock().unlock_after_fork();
  departed::lock().unlock_after_fork();
  thread_identity::lock().unlock_after_fork();
  registry::release_all(held, [](Instance& instance) {
    if (!realtime::own_again(instance)) ++shared_budgets;
    unlock_instance(instance);
  });
  const std::uint32_t count = shared_budgets;
  const Observer* const observer = told;
  registry::lock().unlock_after_fork();
  if (observer != nullptr) observer->after_fork_in_parent();
  if (count != 0) tell_shared_budgets(count);
}

void parent() noexcept {
  const Execution here;
  if (ended.load() || !pal::holds_locks_for_fork()) return;
  const int cancellation = cancellation_before;
  give_back();
  pal::restore_cancellation(cancellation);
}

// An instance lives in it, or the quarantine keeps it.
bool is_owned(const Reservation& range) noexcept {
  return registry::find(range.base).handle != InstanceHandle::None || departed::holds(range);
}

void child() noexcept {
  // The child's only thread holds every lock itself; the others that may have waited in prepare are not here.
  executing.store(0, std::memory_order_relaxed);
  forking.store(false, std::memory_order_relaxed);
  pal::fork_holder.store(0, std::memory_order_relaxed);
  const int cancellation = cancellation_before;
  registry::release_all(held, [](Instance& instance) {
    abandon_caches_of_others(instance);
    realtime::abandon_stocks_of_others(instance);
    unlock_instance(instance);
  });
  registry::forget_others();
  ledger::release_orphans(is_owned);
  log::lock().unlock_after_fork();
  ledger::lock().unlock_after_fork();
  departed::lock().unlock_after_fork();
  thread_identity::only_this_thread_is_left();
  thread_identity::lock().unlock_after_fork();
  registry::lock().unlock_after_fork();
  if (told != nullptr) told->after_fork_in_child();
  pressure::forget_others();
  Arena::forget_counts();
  guarded_blocks::forget_counts();
  registry::for_each(
      [](Instance& instance, void*) {
        instance.arena.count_again();
        guarded_blocks::count_again(instance);
      },
      nullptr);
  pal::restore_cancellation(cancellation);
}

// As early as can be: handlers run their prepare in the reverse order of registration, so those of the program, which
// may allocate, run before the locks are taken and after they are given back.
__attribute__((constructor(101))) void register_early() noexcept { register_fork_handlers(); }

}  // namespace

void register_fork_handlers() noexcept {
  // Set by whoever comes first (relaxed: nothing else hangs on it), and taken back where the system has no memory for
  // the handlers: the next instance asks again.
  static constinit std::atomic<bool> registered{false};
  if (registered.load(std::memory_order_relaxed) || registered.exchange(true, std::memory_order_relaxed)) return;
  if (!pal::at_fork(prepare, parent, child)) registered.store(false, std::memory_order_relaxed);
}

void leave_fork_handlers() noexcept {
  ended.store(true);
  // It sleeps between its looks, each time longer, because nobody may wake it: whoever leaves a handler must touch
  // nothing of the module after it has said so. And it does not yield: who executes a handler may have a lower
  // priority.
  for (std::uint64_t pause = kFirstPause; executing.load() != 0; pause = std::min(2 * pause, kLongestPause)) {
    // Who waits in prepare may wait for a thread whose parent handler the loader has removed in mid-fork.
    give_back();
    pal::sleep(pause);
  }
}

}  // namespace berth::core
