// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// What happened in a soak, counted. A soak that never saw one of them has not tested it, and fails.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace sample_host {

enum class Count : std::size_t {
  Loads,
  Unloads,
  Calls,
  FreedByNewborns,
  FreedByOthers,
  FreedByHost,
  BlocksReturned,
  ForeignFrees,
  ExceptionsCaught,
  Zombies,
  Reaps,
  ThreadBirths,
  RefusedHeld,
  RefusedThreadInside,
  RefusedSignalHandler,
  RefusedInUse,
  RefusedByAttach,
};
constexpr std::size_t kCounts = static_cast<std::size_t>(Count::RefusedByAttach) + 1;

struct CountName {
  const char* key;    // in JSON
  const char* title;  // for people
};
constexpr std::array<CountName, kCounts> kCountNames{{
    {"loads", "loads"},
    {"unloads", "unloads"},
    {"calls", "calls of work()"},
    {"freed_by_newborns", "blocks freed by threads that never were in their plugin"},
    {"freed_by_others", "blocks freed by another thread of the crew"},
    {"freed_by_host", "blocks freed by the host"},
    {"blocks_returned", "blocks that plugins forgot, returned with their instance"},
    {"foreign_frees", "frees of a neighbour's block, each named and dropped"},
    {"exceptions_caught", "exceptions thrown by plugins and caught"},
    {"zombies", "zombies"},
    {"reaps", "of them reaped"},
    {"thread_births", "threads born and ended"},
    {"refused_held", "unloads refused: a lease or an import holds the plugin"},
    {"refused_thread_inside", "unloads refused: a thread is inside"},
    {"refused_signal_handler", "unloads refused: a signal handler points into it"},
    {"refused_in_use", "loads refused: the file is loaded already"},
    {"refused_by_attach", "loads refused: berth_attach threw"},
}};

// Every thread counts, one reads when they are done, and now and then before: each number stands for itself, so that
// relaxed is enough; the end of the threads' work orders the last look after all of it.
class Counts {
 public:
  void add(Count count, std::uint64_t times = 1) { at(count).fetch_add(times, std::memory_order_relaxed); }
  std::uint64_t operator[](Count count) const {
    return numbers_[static_cast<std::size_t>(count)].load(std::memory_order_relaxed);
  }
  void clear() {
    for (auto& number : numbers_) number.store(0, std::memory_order_relaxed);
  }

 private:
  std::atomic<std::uint64_t>& at(Count count) { return numbers_[static_cast<std::size_t>(count)]; }

  std::array<std::atomic<std::uint64_t>, kCounts> numbers_{};
};

}  // namespace sample_host
