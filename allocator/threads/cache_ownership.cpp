// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
#include "allocator/threads/cache_ownership.hpp"

#include <algorithm>

#include "allocator/threads/tsan.hpp"

namespace berth::core {

namespace {

// Slots are made accessible by the eight: one system call, and only those that are used are touched.
constexpr std::uint32_t kSlotStep = 8;

constexpr std::uint32_t kRetryEvery = 64;

constexpr std::uint64_t kCachePages = kCacheStride / pal::kPageSize;

bool open_slot(Instance& instance, std::uint32_t slot) noexcept {
  if (slot < instance.open_slots.load(std::memory_order_acquire)) return true;
  if (slot >= instance.slots) return false;
  const pal::LockGuard held(instance.slots_lock);
  const std::uint32_t open = instance.open_slots.load(std::memory_order_relaxed);
  if (slot < open) return true;
  const std::uint32_t wanted = std::min((slot / kSlotStep + 1) * kSlotStep, instance.slots);
  char* low = instance.caches + std::size_t{std::max(open, 1u)} * kCacheStride;
  char* high = instance.caches + std::size_t{wanted} * kCacheStride;
  if (!instance.arena.make_accessible(low, high)) return false;
  instance.open_slots.store(wanted, std::memory_order_release);
  return true;
}

// acq_rel: an heir sees what its predecessor left; who reads the owner later sees the heir.
bool take(ThreadCache& cache, ThreadKey from, ThreadKey to) noexcept {
  if (!cache.owner.compare_exchange_strong(from, to, std::memory_order_acq_rel, std::memory_order_relaxed))
    return false;
  BERTH_TSAN_ACQUIRE(&cache);
  return true;
}

bool is_special(ThreadKey owner) noexcept { return owner == kCollector || owner == kEverybody || owner == kAbandoned; }

// The first cache of a slot: accessible, charged, and then known to be there. Null: there is no memory for it. Only for
// the thread whose slot it is, or under the lock of the shared cache.
ThreadCache* make_cache(Instance& instance, std::uint32_t slot, ThreadKey owner) noexcept {
  if (!open_slot(instance, slot) || !instance.arena.charge_books(kCachePages)) return nullptr;
  ThreadCache& cache = instance.cache(slot);
  // relaxed: who finds the slot taken (release below, acquire in contains()) sees both. The slot is written once: its
  // readers are the owner, or an heir, who has found the slot taken and the owner dead.
  cache.slot.store(slot, std::memory_order_relaxed);
  cache.owner.store(owner, std::memory_order_relaxed);
  instance.taken_slots().add(slot);
  return &cache;
}

ThreadCache* claim_cache(Instance& instance) noexcept {
  const ThreadKey key = thread_identity::obtain_index();
  if (thread_index(key) == kNoThreadIndex) return nullptr;
  const std::uint32_t slot = thread_index(key) + Instance::kThreadSlots;
  // A predecessor with this index is dead, or it would not be this thread's index now.
  if (!instance.taken_slots().contains(slot)) {
    ThreadCache& first = instance.first_cache();
    const ThreadKey owner = first.owner.load(std::memory_order_acquire);
    if (has_ended(owner) && take(first, owner, key)) return &first;
    return make_cache(instance, slot, key);
  }
  ThreadCache& cache = instance.cache(slot);
  const ThreadKey owner = cache.owner.load(std::memory_order_acquire);
  return !is_special(owner) && take(cache, owner, key) ? &cache : nullptr;
}

}  // namespace

bool has_ended(ThreadKey owner) noexcept {
  return owner == kNobody || (!is_special(owner) && !thread_identity::alive(owner));
}

ThreadCache* cache_of(Instance& instance, ThreadKey owner) noexcept {
  if (owner == kNobody || is_special(owner)) return nullptr;
  ThreadCache& first = instance.first_cache();
  if (first.owner.load(std::memory_order_relaxed) == owner) return &first;
  const std::uint32_t slot = thread_index(owner) + Instance::kThreadSlots;
  if (slot >= instance.open_slots.load(std::memory_order_acquire)) return nullptr;
  ThreadCache& cache = instance.cache(slot);
  return cache.owner.load(std::memory_order_relaxed) == owner ? &cache : nullptr;
}

ThreadCache* obtain_cache(Instance& instance) noexcept {
  if (ThreadCache* cache = own_cache(instance)) return cache;
  // Who was refused asks again only once in a while: somebody may have died, a quota may have been raised.
  if (instance.cache_refused.load(std::memory_order_relaxed) &&
      instance.shared_uses.fetch_add(1, std::memory_order_relaxed) % kRetryEvery != 0) {
    return nullptr;
  }
  return request_cache(instance);
}

ThreadCache* request_cache(Instance& instance) noexcept {
  if (ThreadCache* cache = own_cache(instance)) return cache;
  ThreadCache* cache = claim_cache(instance);
  instance.cache_refused.store(cache == nullptr, std::memory_order_relaxed);
  return cache;
}

ThreadCache* shared_cache(Instance& instance) noexcept {
  if (shared_cache_in_use(instance)) return &instance.cache(Instance::kSharedSlot);
  return make_cache(instance, Instance::kSharedSlot, kEverybody);
}

// The slot is taken under the lock of the shared cache. Who asks without it may hear of it late, and is as one who
// asked earlier; who hears of it (acquire) finds the cache made.
bool shared_cache_in_use(Instance& instance) noexcept { return instance.taken_slots().contains(Instance::kSharedSlot); }

void collect_dead_caches(Instance& instance, UseCache use) noexcept {
  instance.for_each_cache([&](ThreadCache& cache) {
    const ThreadKey owner = cache.owner.load(std::memory_order_acquire);
    if (owner == thread_key || !has_ended(owner) || !take(cache, owner, kCollector)) return;
    use(instance, cache);
    BERTH_TSAN_RELEASE(&cache);
    cache.owner.store(kNobody, std::memory_order_release);
  });
}

void abandon_caches_of_others(Instance& instance) noexcept {
  instance.for_each_cache([](ThreadCache& cache) {
    // The shared cache is whole: its lock was taken for the fork. So is one that nobody owned.
    const ThreadKey key = cache.owner.load(std::memory_order_relaxed);
    if (key == kNobody || key == kEverybody || key == thread_key) return;
    cache.owner.store(kAbandoned, std::memory_order_relaxed);
  });
}

std::uint32_t owned_caches(Instance& instance) noexcept {
  std::uint32_t owned = 0;
  instance.for_each_cache([&](ThreadCache& cache) {
    // relaxed: a number, and nothing of the cache is read for it; that it is there the slot says (acquire).
    const ThreadKey owner = cache.owner.load(std::memory_order_relaxed);
    if (!is_special(owner) && !has_ended(owner)) ++owned;
  });
  return owned;
}

}  // namespace berth::core
