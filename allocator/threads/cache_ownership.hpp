// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Cache ownership: which of an instance's caches is the calling thread's? By loads and a compare when it has one
// ("switching instances is free of locks"); by one CAS when it comes for the first time, from nobody or from the dead.
#pragma once

#include "allocator/instance.hpp"
#include "allocator/threads/thread_identity.hpp"

namespace berth::core {

// The calling thread's cache if it has one here other than the first, else null.
inline ThreadCache* own_later_cache(Instance& instance) noexcept {
  const ThreadKey key = thread_key;
  const std::uint32_t slot = thread_index(key) + Instance::kThreadSlots;
  if (!instance.taken_slots().contains(slot)) return nullptr;
  ThreadCache& cache = instance.cache(slot);
  return cache.owner.load(std::memory_order_relaxed) == key ? &cache : nullptr;
}

// The calling thread's cache if it has one here, else null.
inline ThreadCache* own_cache(Instance& instance) noexcept {
  ThreadCache& first = instance.first_cache();
  if (first.owner.load(std::memory_order_relaxed) == thread_key) [[likely]]
    return &first;
  return own_later_cache(instance);
}

// The cache that this thread owns here, whoever asks; null if it has none.
ThreadCache* cache_of(Instance& instance, ThreadKey owner) noexcept;

// The calling thread's cache, found, inherited or made. Null if there is none to have: more threads than slots, the
// system refuses the page, or the cache is just being emptied. Then the shared cache serves.
ThreadCache* obtain_cache(Instance& instance) noexcept;

// The same for who asks for a cache and nothing else: where there was none to have, obtain_cache() looks again only
// once in a while.
ThreadCache* request_cache(Instance& instance) noexcept;

// The shared cache, made accessible. Its lock must be held for every use. Null if the system refuses its page.
ThreadCache* shared_cache(Instance& instance) noexcept;
bool shared_cache_in_use(Instance& instance) noexcept;

// Takes each cache whose owner is dead, calls `use` on it, and leaves it to whoever comes next.
using UseCache = void (*)(Instance&, ThreadCache&) noexcept;
void collect_dead_caches(Instance& instance, UseCache use) noexcept;

// In a forked child: the caches of threads that it does not have may have been cut in mid-change. Nobody takes them.
void abandon_caches_of_others(Instance& instance) noexcept;

// Whether what has this owner may be taken over: it is nobody's, or a dead thread's.
bool has_ended(ThreadKey owner) noexcept;

// How many caches have a living owner.
std::uint32_t owned_caches(Instance& instance) noexcept;

}  // namespace berth::core
