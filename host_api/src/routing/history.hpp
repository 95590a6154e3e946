// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// History: how much of one file's memory was live when, and what each of its last loads took. Of fixed size: a timeline
// that is full keeps every second point, and adds half as many from then on.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace berth::routing {

struct Record;

class History {
 public:
  static constexpr std::size_t kPoints = 240;
  static constexpr std::size_t kCycles = 32;

  // Each number by itself, relaxed: read at the end of the process, whatever other threads do.
  struct Point {
    std::atomic<std::uint64_t> ms{0}, live{0}, peak{0};
  };
  struct Cycle {
    std::atomic<std::uint64_t> loaded_ms{0}, unloaded_ms{0}, peak_bytes{0}, allocated_bytes{0}, left_bytes{0};
  };

  // Left out where another thread is just adding one. [any thread]
  void add_point(std::uint64_t ms, std::uint64_t live, std::uint64_t peak) noexcept;
  // Under the loader's lock.
  void add_cycle(std::uint64_t loaded_ms, std::uint64_t unloaded_ms, std::uint64_t peak, std::uint64_t allocated,
                 std::uint64_t left) noexcept;

  std::size_t points() const noexcept { return count_.load(std::memory_order_relaxed); }
  const Point& point(std::size_t number) const noexcept { return points_[number]; }
  // How many loads have ended; the last kCycles of them are known, from the oldest on.
  std::uint64_t ended() const noexcept { return ended_.load(std::memory_order_relaxed); }
  const Cycle& cycle(std::uint64_t number) const noexcept { return cycles_[number % kCycles]; }

  void reset() noexcept;  // in a forked child

 private:
  std::atomic<bool> busy_{false};  // taken by who adds (acquire), given back (release)
  std::atomic<std::size_t> count_{0};
  std::uint64_t interval_ = 10;  // milliseconds that two points lie apart; by who holds busy_
  std::array<Point, kPoints> points_{};
  std::atomic<std::uint64_t> ended_{0};
  std::array<Cycle, kCycles> cycles_{};
};

// Since the program began.
std::uint64_t milliseconds() noexcept;
void start_history() noexcept;

// A point of a file's timeline, kept, and told to whoever listens.
void note_point(Record& record, std::uint64_t live, std::uint64_t peak) noexcept;
void note_cycle(Record& record, std::uint64_t loaded_ms, std::uint64_t peak, std::uint64_t allocated,
                std::uint64_t left) noexcept;

// Written once, before the program runs.
using PointListener = void (*)(const Record& record, std::uint64_t live) noexcept;
void listen_to_points(PointListener listener) noexcept;

}  // namespace berth::routing
