// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
#include "soak/events.hpp"

#include <iomanip>
#include <ostream>

namespace sample_host {

void EventRing::add(std::uint64_t task, const char* what, const char* plugin, const char* result) {
  const auto now = std::chrono::steady_clock::now();
  const std::lock_guard lock(mutex_);
  events_[count_++ % kKept] = {now, task, what, plugin, result};
}

void EventRing::print(std::ostream& out, std::chrono::steady_clock::time_point start) {
  const std::lock_guard lock(mutex_);
  for (std::uint64_t i = count_ > kKept ? count_ - kKept : 0; i < count_; i++) {
    const Event& event = events_[i % kKept];
    const std::chrono::duration<double> after = event.time - start;
    out << "  " << std::fixed << std::setprecision(6) << std::setw(12) << after.count() << " s  task " << event.task
        << ": " << event.what << ' ' << event.plugin;
    if (*event.result != '\0') out << ": " << event.result;
    out << '\n';
  }
}

std::uint64_t EventRing::count() {
  const std::lock_guard lock(mutex_);
  return count_;
}

std::uint64_t EventLog::count() {
  std::uint64_t sum = 0;
  for (EventRing& ring : rings_) sum += ring.count();
  return sum;
}

void EventLog::print(std::ostream& out) {
  for (std::size_t worker = 0; worker < rings_.size(); worker++) {
    out << "The last events of worker " << worker << ":\n";
    rings_[worker].print(out, start_);
  }
}

}  // namespace sample_host
