// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
#include "allocator/cache_ownership.hpp"

#include <algorithm>

#include "allocator/tsan.hpp"

namespace berth::core {

namespace {

// Slots are made accessible by the eight: one system call, and only those that are used are touched.
constexpr std::uint32_t kSlotStep = 8;

bool open_slot(Instance& instance, std::uint32_t slot) noexcept {
  if (slot < instance.open_slots.load(std::memory_order_acquire)) return true;
  if (slot >= instance.slots) return false;
  const pal::LockGuard held(instance.slots_lock);
  const std::uint32_t open = instance.open_slots.load(std::memory_order_relaxed);
  if (slot < open) return true;
  const std::uint32_t wanted = std::min((slot / kSlotStep + 1) * kSlotStep, instance.slots);
  char* low = instance.caches + std::size_t{std::max(open, 1u)} * kCacheStride;
  char* high = instance.caches + std::size_t{wanted} * kCacheStride;
  if (!instance.arena.commit_books(low, high)) return false;
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

bool is_dead(ThreadKey owner) noexcept {
  return owner == kNobody || (owner != kCollector && owner != kEverybody && !thread_identity::alive(owner));
}

}  // namespace

ThreadCache* obtain_cache(Instance& instance) noexcept {
  ThreadKey key = thread_identity::obtain();
  if (ThreadCache* cache = own_cache(instance)) return cache;
  if (thread_index(key) == kNoThreadIndex) {
    // Once in a while somebody may have died.
    if (instance.shared_uses.fetch_add(1, std::memory_order_relaxed) % 64 != 0) return nullptr;
    key = thread_identity::obtain_index();
    if (thread_index(key) == kNoThreadIndex) return nullptr;
  }
  const std::uint32_t slot = thread_index(key) + Instance::kThreadSlots;
  // A predecessor with this index is dead, or it would not be this thread's index now.
  const bool inherit = slot < instance.open_slots.load(std::memory_order_acquire) &&
                       instance.cache(slot).slot.load(std::memory_order_relaxed) == slot;
  if (!inherit) {
    const ThreadKey owner = instance.first_cache.owner.load(std::memory_order_acquire);
    if (is_dead(owner) && take(instance.first_cache, owner, key)) return &instance.first_cache;
    if (!open_slot(instance, slot)) return nullptr;
  }
  ThreadCache& cache = instance.cache(slot);
  const ThreadKey owner = cache.owner.load(std::memory_order_acquire);
  if (owner == kCollector || !take(cache, owner, key)) return nullptr;
  cache.slot.store(slot, std::memory_order_relaxed);
  return &cache;
}

ThreadCache* shared_cache(Instance& instance) noexcept {
  if (!open_slot(instance, Instance::kSharedSlot)) return nullptr;
  ThreadCache& cache = instance.cache(Instance::kSharedSlot);
  cache.slot.store(Instance::kSharedSlot, std::memory_order_relaxed);
  // relaxed: only for those who look for dead owners.
  cache.owner.store(kEverybody, std::memory_order_relaxed);
  return &cache;
}

void collect_dead_caches(Instance& instance, UseCache use) noexcept {
  const std::uint32_t open = instance.open_slots.load(std::memory_order_acquire);
  for (std::uint32_t slot = 0; slot < std::max(open, 1u); ++slot) {
    if (slot == Instance::kSharedSlot) continue;
    ThreadCache& cache = instance.cache(slot);
    const ThreadKey owner = cache.owner.load(std::memory_order_acquire);
    // A slot that was never taken holds nothing.
    if (owner == thread_key || cache.slot.load(std::memory_order_relaxed) != slot || !is_dead(owner) ||
        !take(cache, owner, kCollector))
      continue;
    use(instance, cache);
    BERTH_TSAN_RELEASE(&cache);
    cache.owner.store(kNobody, std::memory_order_release);
  }
}

std::uint32_t owned_caches(Instance& instance) noexcept {
  const std::uint32_t open = instance.open_slots.load(std::memory_order_acquire);
  std::uint32_t owned = 0;
  for (std::uint32_t slot = 0; slot < std::max(open, 1u); ++slot) {
    if (slot != Instance::kSharedSlot && !is_dead(instance.cache(slot).owner.load(std::memory_order_relaxed))) ++owned;
  }
  return owned;
}

}  // namespace berth::core
