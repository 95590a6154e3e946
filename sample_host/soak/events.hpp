// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// The last things that each worker of a soak did, for when something goes wrong.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <iosfwd>
#include <mutex>

namespace sample_host {

// All texts are constants, or live as long as the soak.
struct Event {
  std::chrono::steady_clock::time_point time;
  std::uint64_t task = 0;
  const char* what = "";
  const char* plugin = "";
  const char* result = "";
};

// The last events of one worker and of the threads it started. Its lock has one user but for those threads, and for
// whoever prints while a worker hangs.
class EventRing {
 public:
  void add(std::uint64_t task, const char* what, const char* plugin, const char* result = "");
  void print(std::ostream& out, std::chrono::steady_clock::time_point start);
  std::uint64_t count();  // ever added

 private:
  static constexpr std::size_t kKept = 24;

  std::mutex mutex_;
  std::array<Event, kKept> events_;
  std::uint64_t count_ = 0;
};

// The rings of a crew.
class EventLog {
 public:
  explicit EventLog(std::size_t workers) : start_(std::chrono::steady_clock::now()), rings_(workers) {}

  EventRing& of(std::size_t worker) { return rings_[worker]; }
  void print(std::ostream& out);
  std::uint64_t count();  // over all

 private:
  std::chrono::steady_clock::time_point start_;
  std::deque<EventRing> rings_;
};

}  // namespace sample_host
