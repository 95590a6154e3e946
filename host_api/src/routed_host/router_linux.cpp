// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// The router of this program: what berth::Host asks. Openings are one at a time, as the loader has them anyway.
#include <pthread.h>

#include <atomic>

#include "arenas/pal/pal.hpp"
#include "host_api/src/hosts/router.hpp"
#include "host_api/src/interposed/interposed.hpp"
#include "host_api/src/routed_host/opened_modules.hpp"
#include "host_api/src/routed_host/past.hpp"
#include "host_api/src/routing/module_table.hpp"
#include "host_api/src/routing/near.hpp"
#include "host_api/src/routing/store.hpp"

namespace berth::routing {

namespace {

// Held while a module is opened. Not taken for a fork, which would wait for a constructor that may wait for it: the
// child gives up what another thread was opening.
constexpr pthread_mutex_t kFree = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;
constinit pthread_mutex_t openings = kFree;
// Who has it; 0: nobody. Written by whoever has it, read by a forked child's only thread; relaxed.
constinit std::atomic<std::uintptr_t> opener{0};
constinit unsigned depth = 0;  // under it
constexpr unsigned kDeepest = 16;
constinit Opening nested[kDeepest];

void before_fork() {
  lock_for_fork();
  table::lock().lock_for_fork();
  store::lock().lock_for_fork();
}
void after_fork_in_parent() {
  store::lock().unlock_after_fork();
  table::lock().unlock_after_fork();
  unlock_after_fork();
}
void after_fork_in_child() {
  after_fork_in_parent();
  const std::uintptr_t owner = opener.load(std::memory_order_relaxed);
  if (owner == 0 || owner == pal::thread_token()) return;
  openings = kFree;
  opener.store(0, std::memory_order_relaxed);
  depth = 0;
  set_opening(nullptr);
}

void begin(berth_instance* instance, const char* path) noexcept {
  pthread_mutex_lock(&openings);
  opener.store(pal::thread_token(), std::memory_order_relaxed);
  // After those of the allocator, whose locks are taken under ours.
  static constinit bool handles_fork = false;
  if (!handles_fork) handles_fork = pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child) == 0;
  Opening* const outer = current_opening();
  compare_with_loader(outer);
  berth_allocator* handle = instance != nullptr ? berth_instance_allocator(instance) : nullptr;
  if (handle != nullptr) mark_near(instance, handle);
  if (depth >= kDeepest) instance = nullptr;  // what no constructor does
  Opening& opening = nested[depth < kDeepest ? depth : kDeepest - 1];
  if (depth < kDeepest) opening = {instance, handle, path, outer};
  ++depth;
  set_opening(&opening);
}

void end() noexcept {
  Opening* const opening = current_opening();
  compare_with_loader(opening);
  if (--depth < kDeepest) set_opening(opening->outer);
  if (depth == 0) opener.store(0, std::memory_order_relaxed);
  pthread_mutex_unlock(&openings);
}

void take_over(std::uintptr_t base, berth_instance* instance) noexcept {
  begin(nullptr, nullptr);
  if (instance != nullptr) mark_near(instance, berth_instance_allocator(instance));
  give_to(base, instance);
  end();
}

void forget_gone() noexcept {
  // What another thread opens at this moment is that thread's to enter.
  begin(nullptr, nullptr);
  end();
}

bool is_routed_caller(const void* caller, const void* frame) noexcept { return route({caller, frame}) != nullptr; }

void* allocate_by_site(const void* caller, const void* frame, std::size_t alignment, std::size_t size) noexcept {
  const Site site{caller, frame};
  return alignment == 0 ? allocate_for(site, size) : allocate_aligned_for(site, alignment, size);
}

constexpr detail::Router kRouter = {is_routed_caller, allocate_by_site, begin,  end,       take_over,
                                    close_users,      forget_gone,      served, find_past, user_of};

// Before the program's own constructors, which may load plugins.
__attribute__((constructor(101))) void enter() { detail::router = &kRouter; }

}  // namespace

}  // namespace berth::routing

// What links berth::routing asks the linker for.
extern "C" __attribute__((visibility("hidden"))) void berth_routing_is_here() {}
