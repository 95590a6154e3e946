// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Before the fork every lock is taken, so that what it guards is whole; this is the one exception to law 5's "no lock
// while another is held": the registry's first, then instance by instance in the order of lines (each as written in
// instance.hpp), then the leaves. What no lock guards are the caches of other threads, which the fork may cut in
// mid-change: in the child nobody takes them over. So it loses the free blocks that they held, and nothing else.
#include "allocator/fork.hpp"

#include <atomic>
#include <bitset>

#include "allocator/cache_ownership.hpp"
#include "allocator/departed.hpp"
#include "allocator/instance.hpp"
#include "allocator/log.hpp"
#include "allocator/registry.hpp"
#include "allocator/thread_identity.hpp"
#include "arenas/ledger.hpp"
#include "arenas/pal/pal.hpp"

namespace berth::core {

namespace {

// Between prepare and parent or child the forking thread alone reads and writes it.
constinit std::bitset<registry::kCapacity> held;

void lock_instance(Instance& instance) noexcept {
  instance.slots_lock.lock();
  instance.shared_lock.lock();
  instance.arena.lock().lock();
}

void unlock_instance(Instance& instance) noexcept {
  instance.arena.lock().unlock();
  instance.shared_lock.unlock();
  instance.slots_lock.unlock();
}

void prepare() noexcept {
  registry::lock().lock();
  registry::hold_all(held, lock_instance);
  thread_identity::lock().lock();
  departed::lock().lock();
  ledger::lock().lock();
  log::lock().lock();
}

void parent() noexcept {
  log::lock().unlock();
  ledger::lock().unlock();
  departed::lock().unlock();
  thread_identity::lock().unlock();
  registry::release_all(held, unlock_instance);
  registry::lock().unlock();
}

void child() noexcept {
  // The child's only thread holds every lock itself.
  log::lock().unlock();
  ledger::lock().unlock();
  departed::lock().unlock();
  thread_identity::only_this_thread_is_left();
  thread_identity::lock().unlock();
  registry::release_all(held, [](Instance& instance) {
    abandon_caches_of_others(instance);
    unlock_instance(instance);
  });
  registry::drop_pins();
  registry::lock().unlock();
}

// As early as can be: handlers run their prepare in the reverse order of registration, so those of the program, which
// may allocate, run before the locks are taken and after they are given back.
__attribute__((constructor(101))) void register_early() noexcept { register_fork_handlers(); }

}  // namespace

void register_fork_handlers() noexcept {
  // Set by whoever comes first (relaxed: nothing else hangs on it).
  static constinit std::atomic<bool> registered{false};
  if (registered.load(std::memory_order_relaxed) || registered.exchange(true, std::memory_order_relaxed)) return;
  pal::at_fork(prepare, parent, child);
}

}  // namespace berth::core
