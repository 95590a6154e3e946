// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
#include "allocator/purge.hpp"

#include "allocator/blocks/guarded_blocks.hpp"
#include "allocator/blocks/small_blocks.hpp"
#include "allocator/instance.hpp"
#include "allocator/observer.hpp"
#include "allocator/registry.hpp"
#include "allocator/threads/cache_ownership.hpp"
#include "allocator/threads/realtime.hpp"
#include "allocator/threads/remote_frees.hpp"
#include "allocator/threads/tsan.hpp"
#include "arenas/pal/lock.hpp"

namespace berth::core {

void purge(Instance& instance) noexcept {
  // First every cache within reach sends what it holds for others, then every one takes in what it was sent: so one
  // purge is enough. The calling thread's comes last, because refills prefer it.
  for (const UseCache step : {&remote_frees::send_all, &small_blocks::empty}) {
    if (shared_cache_in_use(instance)) {
      const pal::LockGuard held(instance.shared_lock);
      step(instance, instance.cache(Instance::kSharedSlot));
    }
    collect_dead_caches(instance, step);
    if (ThreadCache* cache = own_cache(instance)) {
      step(instance, *cache);
      BERTH_TSAN_RELEASE(cache);
    }
  }
  realtime::free_deferred(instance);
  if (instance.hardening != Hardening::Fast) instance.block_states.purge();
  if (instance.hardening == Hardening::Guarded) guarded_blocks::purge(instance);
  instance.arena.purge();
  observer::tell_changed(instance);
}

void give_back_idle() noexcept {
  registry::for_each(
      [](Instance& instance, void*) {
        if (realtime::may_not_wait(instance)) return;
        realtime::free_deferred(instance);
        instance.arena.give_back_idle();
      },
      nullptr);
}

}  // namespace berth::core
