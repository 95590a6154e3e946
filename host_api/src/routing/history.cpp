// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
#include "host_api/src/routing/history.hpp"

#include "arenas/pal/pal.hpp"
#include "host_api/src/routing/modules.hpp"
#include "host_api/src/routing/store.hpp"

namespace berth::routing {

namespace {

constexpr auto kRelaxed = std::memory_order_relaxed;
constinit std::uint64_t began = 0;
constinit PointListener listening = nullptr;

void copy(History::Point& to, const History::Point& from) noexcept {
  to.ms.store(from.ms.load(kRelaxed), kRelaxed);
  to.live.store(from.live.load(kRelaxed), kRelaxed);
  to.peak.store(from.peak.load(kRelaxed), kRelaxed);
}

// Null: there is no memory. Two threads may make one each: the first stays.
History* history_of(Record& record) noexcept {
  // acquire: sees it built.
  History* found = record.history.load(std::memory_order_acquire);
  if (found != nullptr) return found;
  auto* const made = store::make<History>(1);
  if (made == nullptr) return nullptr;
  return record.history.compare_exchange_strong(found, made, std::memory_order_acq_rel) ? made : found;
}

}  // namespace

void History::add_point(std::uint64_t ms, std::uint64_t live, std::uint64_t peak) noexcept {
  if (busy_.exchange(true, std::memory_order_acquire)) return;
  std::size_t count = count_.load(kRelaxed);
  // It begins with nothing.
  if (count == 0) points_[count++].ms.store(ms, kRelaxed);
  if (count > 1 && ms < points_[count - 1].ms.load(kRelaxed) + interval_) {
    // What is newest counts.
    points_[count - 1].live.store(live, kRelaxed);
    points_[count - 1].peak.store(peak, kRelaxed);
  } else {
    if (count == kPoints) {
      for (std::size_t number = 0; number < kPoints / 2; ++number) copy(points_[number], points_[number * 2]);
      count = kPoints / 2;
      interval_ *= 2;
    }
    points_[count].ms.store(ms, kRelaxed);
    points_[count].live.store(live, kRelaxed);
    points_[count].peak.store(peak, kRelaxed);
    count_.store(count + 1, kRelaxed);
  }
  busy_.store(false, std::memory_order_release);
}

void History::add_cycle(std::uint64_t loaded_ms, std::uint64_t unloaded_ms, std::uint64_t peak, std::uint64_t allocated,
                        std::uint64_t left) noexcept {
  const std::uint64_t number = ended_.load(kRelaxed);
  Cycle& cycle = cycles_[number % kCycles];
  cycle.loaded_ms.store(loaded_ms, kRelaxed);
  cycle.unloaded_ms.store(unloaded_ms, kRelaxed);
  cycle.peak_bytes.store(peak, kRelaxed);
  cycle.allocated_bytes.store(allocated, kRelaxed);
  cycle.left_bytes.store(left, kRelaxed);
  ended_.store(number + 1, kRelaxed);
}

void History::reset() noexcept {
  busy_.store(false, kRelaxed);
  count_.store(0, kRelaxed);
  points_[0].live.store(0, kRelaxed);
  points_[0].peak.store(0, kRelaxed);
  ended_.store(0, kRelaxed);
  interval_ = 10;
}

std::uint64_t milliseconds() noexcept { return (pal::monotonic_nanoseconds() - began) / 1'000'000; }

void start_history() noexcept { began = pal::monotonic_nanoseconds(); }

void note_point(Record& record, std::uint64_t live, std::uint64_t peak) noexcept {
  if (History* const history = history_of(record)) history->add_point(milliseconds(), live, peak);
  if (listening != nullptr) listening(record, live);
}

void note_cycle(Record& record, std::uint64_t loaded_ms, std::uint64_t peak, std::uint64_t allocated,
                std::uint64_t left) noexcept {
  if (History* const history = history_of(record)) {
    history->add_cycle(loaded_ms, milliseconds(), peak, allocated, left);
  }
}

void listen_to_points(PointListener listener) noexcept { listening = listener; }

}  // namespace berth::routing
