// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
#include "allocator/pressure.hpp"

#include <array>
#include <atomic>
#include <cstdint>

#include "allocator/instance.hpp"
#include "arenas/pal/cancellation.hpp"
#include "arenas/pal/pal.hpp"

namespace berth::core::pressure {

namespace {

// Who is in which instance's handler. More at once are not asked: then an allocation fails that might have been saved.
struct Place {
  // Taken by CAS from 0 by the thread of this token, and given back by it; who looks for itself finds what it wrote,
  // and what others write is never its own. Relaxed: nothing else hangs on it.
  std::atomic<std::uintptr_t> thread{0};
  // Written by the thread that has the place, read by it alone, but for those that look and then see another thread.
  std::atomic<std::uint64_t> instance{0};
};
constinit std::array<Place, 64> places{};

bool is_inside(std::uintptr_t thread, std::uint64_t instance) noexcept {
  for (const Place& place : places) {
    if (place.thread.load(std::memory_order_relaxed) == thread &&
        place.instance.load(std::memory_order_relaxed) == instance) {
      return true;
    }
  }
  return false;
}

Place* enter(std::uintptr_t thread, std::uint64_t instance) noexcept {
  for (Place& place : places) {
    std::uintptr_t nobody = 0;
    if (!place.thread.compare_exchange_strong(nobody, thread, std::memory_order_relaxed)) continue;
    place.instance.store(instance, std::memory_order_relaxed);
    return &place;
  }
  return nullptr;
}

}  // namespace

bool relieve(Instance& instance, std::size_t needed) noexcept {
  const Handlers& handlers = instance.handlers;
  if (handlers.ask_pressure == nullptr) return false;
  const std::uintptr_t thread = pal::thread_token();
  if (is_inside(thread, instance.id)) return false;
  const pal::NoCancellation alive;
  Place* const place = enter(thread, instance.id);
  if (place == nullptr) return false;
  const bool again = handlers.ask_pressure(handlers, instance.self, needed);
  place->thread.store(0, std::memory_order_relaxed);
  return again;
}

void forget_others() noexcept {
  const std::uintptr_t mine = pal::thread_token();
  for (Place& place : places) {
    if (place.thread.load(std::memory_order_relaxed) != mine) place.thread.store(0, std::memory_order_relaxed);
  }
}

}  // namespace berth::core::pressure
