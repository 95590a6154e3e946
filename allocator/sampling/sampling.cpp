// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
#include "allocator/sampling/sampling.hpp"

#include "allocator/instance.hpp"
#include "allocator/secrets.hpp"
#include "allocator/threads/cache_ownership.hpp"
#include "arenas/pal/errno_keeper.hpp"

namespace berth::core::sampling {

namespace {

// Written by host_api (release), read by samples (acquire).
constinit std::atomic<Unwinder> unwinder_in_use{nullptr};

std::uint64_t random(Sampling& sampling) noexcept {
  return secrets::mix(sampling.draws.fetch_add(0x9e3779b97f4a7c15, std::memory_order_relaxed));
}

// What has happened without the lock. Under it.
void catch_up(Sampling& sampling) noexcept {
  for (std::atomic<const void*>& place : sampling.freed_elsewhere) {
    if (place.load(std::memory_order_relaxed) == nullptr) continue;
    const void* block = place.exchange(nullptr, std::memory_order_acquire);
    if (block != nullptr && sampling.table.remove(block)) sampling.live.fetch_sub(1, std::memory_order_relaxed);
  }
  const draws::Weight realtime = {sampling.realtime_bytes.exchange(0, std::memory_order_relaxed),
                                  sampling.realtime_blocks.exchange(0, std::memory_order_relaxed)};
  if (realtime.bytes != 0) sampling.table.add_unwatched(StackKind::Realtime, realtime);
}

// False: all places are taken.
bool leave_for_next(Sampling& sampling, const void* block) noexcept {
  for (std::atomic<const void*>& place : sampling.freed_elsewhere) {
    const void* empty = nullptr;
    if (place.compare_exchange_strong(empty, block, std::memory_order_release, std::memory_order_relaxed)) return true;
  }
  return false;
}

}  // namespace

void set_unwinder(Unwinder unwinder) noexcept { unwinder_in_use.store(unwinder, std::memory_order_release); }

void open(Instance& instance, char* room, std::size_t bytes) noexcept {
  instance.sampling.table.place(room, bytes);
  instance.sampling.draws.store(secrets::of(instance.id, 8), std::memory_order_relaxed);
}

bool set_mean(Instance& instance, std::size_t mean_bytes) noexcept {
  Sampling& sampling = instance.sampling;
  const pal::LockGuard held(sampling.lock);
  if (mean_bytes != 0 && !sampling.table.open(instance.arena)) return false;
  sampling.mean_bytes.store(mean_bytes, std::memory_order_relaxed);
  sampling.epoch.fetch_add(1, std::memory_order_relaxed);
  return true;
}

bool is_turn(Instance& instance, std::size_t bytes) noexcept {
  Sampling& sampling = instance.sampling;
  const std::size_t mean = sampling.mean_bytes.load(std::memory_order_relaxed);
  if (mean == 0) return false;
  ThreadCache* const cache = obtain_cache(instance);
  // Without a cache there is nothing to count in.
  if (cache == nullptr) {
    constexpr double kUnit = 1.0 / (std::uint64_t{1} << 53);
    return static_cast<double>(random(sampling) >> 11) * kUnit < draws::probability(mean, bytes);
  }
  if (cache->in_sample != 0) return false;
  const std::uint32_t epoch = sampling.epoch.load(std::memory_order_relaxed);
  if (cache->sample_epoch != epoch) {
    cache->sample_epoch = epoch;
    cache->until_sample = draws::distance(mean, random(sampling));
  }
  cache->until_sample -= static_cast<std::int64_t>(bytes);
  if (cache->until_sample > 0) return false;
  cache->until_sample = draws::distance(mean, random(sampling));
  return true;
}

Walk::Walk(Instance& instance, const void* caller) noexcept : instance_(instance) {
  const pal::ErrnoKeeper keeper;
  if (ThreadCache* cache = own_cache(instance)) cache->in_sample = 1;
  if (realtime::may_not_wait(instance)) {
    depth_ = kOfRealtimeThread;
    return;
  }
  if (const Unwinder unwinder = unwinder_in_use.load(std::memory_order_acquire)) {
    depth_ = unwinder(caller, frames_, kMostFrames);
  }
}

Walk::~Walk() {
  if (ThreadCache* cache = own_cache(instance_)) cache->in_sample = 0;
}

void Walk::tell(const void* block, std::size_t bytes) noexcept {
  if (block == nullptr) return;
  Sampling& sampling = instance_.sampling;
  const draws::Weight weight = draws::weight(sampling.mean_bytes.load(std::memory_order_relaxed), bytes);
  const pal::LockGuard held(sampling.lock);
  catch_up(sampling);
  if (sampling.table.remove(block)) sampling.live.fetch_sub(1, std::memory_order_relaxed);
  if (sampling.table.add(instance_.arena, block, frames_, depth_, weight)) {
    sampling.live.fetch_add(1, std::memory_order_relaxed);
  }
}

void Walk::tell_unwatched(const void* block, std::size_t bytes) noexcept {
  if (block == nullptr) return;
  Sampling& sampling = instance_.sampling;
  const draws::Weight weight = draws::weight(sampling.mean_bytes.load(std::memory_order_relaxed), bytes);
  sampling.realtime_bytes.fetch_add(weight.bytes, std::memory_order_relaxed);
  sampling.realtime_blocks.fetch_add(weight.blocks, std::memory_order_relaxed);
}

void forget_sample(Instance& instance, const void* block) noexcept {
  Sampling& sampling = instance.sampling;
  if (realtime::may_not_wait(instance)) {
    if (!sampling.lock.try_lock()) {
      leave_for_next(sampling, block);
      return;
    }
  } else {
    sampling.lock.lock();
  }
  catch_up(sampling);
  if (sampling.table.remove(block)) sampling.live.fetch_sub(1, std::memory_order_relaxed);
  sampling.lock.unlock();
}

Aside::Aside(Instance& instance, const void* block) noexcept : instance_(instance), block_(block) {
  Sampling& sampling = instance.sampling;
  if (sampling.live.load(std::memory_order_relaxed) == 0) return;
  if (realtime::may_not_wait(instance)) {
    forget_sample(instance, block);
    return;
  }
  const pal::LockGuard held(sampling.lock);
  catch_up(sampling);
  taken_ = sampling.table.take(block, sample_);
  if (taken_) sampling.live.fetch_sub(1, std::memory_order_relaxed);
}

void Aside::restore() noexcept {
  if (!taken_) return;
  taken_ = false;
  Sampling& sampling = instance_.sampling;
  const pal::LockGuard held(sampling.lock);
  if (sampling.table.restore(instance_.arena, block_, sample_)) sampling.live.fetch_add(1, std::memory_order_relaxed);
}

bool read(Instance& instance, std::uint32_t& cursor, StackCopy& out, Patience patience) noexcept {
  Sampling& sampling = instance.sampling;
  if (patience == Patience::Waits) {
    sampling.lock.lock();
  } else {
    constexpr int kTries = 100;
    int tries = 0;
    while (!sampling.lock.try_lock()) {
      if (++tries == kTries) return false;
      pal::sleep(100'000);
    }
  }
  bool more = false;
  if (sampling.table.is_open()) {
    catch_up(sampling);
    more = sampling.table.read(cursor, out);
  }
  sampling.lock.unlock();
  return more;
}

std::uint32_t stack_of(Instance& instance, const void* block) noexcept {
  const pal::LockGuard held(instance.sampling.lock);
  return instance.sampling.table.is_open() ? instance.sampling.table.stack_of(block) : 0;
}

void keep_names(Instance& instance, std::uint32_t stack_number, const char* const* names,
                const FramePlace* places) noexcept {
  const pal::LockGuard held(instance.sampling.lock);
  if (instance.sampling.table.is_open()) instance.sampling.table.keep_names(stack_number, names, places);
}

}  // namespace berth::core::sampling
