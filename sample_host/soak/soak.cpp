// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
#include "soak/soak.hpp"

#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <set>

#include "crew.hpp"
#include "format.hpp"
#include "kept_on_purpose.hpp"
#include "progress.hpp"
#include "sanitizer.hpp"
#include "soak/events.hpp"
#include "soak/residents.hpp"
#include "soak/story.hpp"
#include "system.hpp"

namespace sample_host {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kResidentTolerance = 1024 * 1024;

// Has the C library's one heap reach further than the soak will need, with a block at its end that keeps it there: what
// it gets and frees then moves no border.
class WideHeap {
 public:
  WideHeap() {
    constexpr std::size_t kBytes = 16 * 1024 * 1024;
    constexpr std::size_t kPiece = 64 * 1024;  // below what malloc would map on its own
    std::vector<std::unique_ptr<char[]>> pieces;
    for (std::size_t bytes = 0; bytes < kBytes; bytes += kPiece) pieces.push_back(std::make_unique<char[]>(kPiece));
    end_ = std::make_unique<char[]>(kPiece);
  }

 private:
  std::unique_ptr<char[]> end_;
};

// Ends the process when nothing has happened for a time: no thread that hangs could be asked to stop.
class Watchdog {
 public:
  Watchdog(const SoakOptions& options, EventLog& events) : options_(options), events_(events) {}

  void look(std::uint64_t events) {
    const Clock::time_point now = Clock::now();
    if (events != last_events_) {
      last_events_ = events;
      last_progress_ = now;
    } else if (now - last_progress_ > options_.patience) {
      std::cerr << "No progress for " << options_.patience.count() << " s; seed " << options_.seed << ".\n";
      events_.print(std::cerr);
      std::_Exit(kExitSomethingRemains);
    }
  }

 private:
  const SoakOptions& options_;
  EventLog& events_;
  std::uint64_t last_events_ = 0;
  Clock::time_point last_progress_ = Clock::now();
};

// The warm-up's stories are those of other numbers than the soak's own.
constexpr std::uint64_t kWarmUpNumbers = std::uint64_t{1} << 40;

class Soak {
 public:
  explicit Soak(const SoakOptions& options)
      : options_(options),
        plugins_(plan_soak(options.plugins)),
        crew_(options.threads),
        events_(static_cast<std::size_t>(options.threads)),
        scene_(plugins_, options.seed) {
    const auto leaves = [](const Slot& slot) { return slot.plugin.conduct != Conduct::RefusesToLoad; };
    if (std::none_of(scene_.slots().begin(), scene_.slots().end(), leaves)) {
      throw std::runtime_error("--plugins: none of these can be loaded and unloaded again");
    }
  }

  SoakReport run() {
    SoakReport report;
    report.cycles = options_.cycles;
    report.threads = options_.threads;
    report.seed = options_.seed;
    for (const SoakPlugin& plugin : plugins_) report.plugins.push_back(plugin.name);
    warm_up();
    report.residents = residents_.count();
    report.before = state();
    kept_.keep(options_.leak_one, kept_ranges_);
    if (!scene_.failed()) {
      Progress progress(options_.cycles, "unloads", Progress::InLogs::SparseLines);
      const Clock::time_point start = Clock::now();
      tell_stories(0, options_.cycles, &progress);
      report.seconds = std::chrono::duration<double>(Clock::now() - start).count();
    }
    report.after = state();
    report.metering = scene_.metering();
    for (std::size_t i = 0; i < kCounts; i++) report.counts[i] = scene_.counts()[static_cast<Count>(i)];
    judge(report);
    if (scene_.failed()) events_.print(std::cerr);
    return report;
  }

 private:
  // What the process does once, it does here: every plugin of the set is loaded, worked and unloaded some times by all
  // threads, with threads born, so that what their libraries and the C library keep is there before the first look.
  void warm_up() {
    crew_.warm_up(4 * options_.threads + 8);
    try {
      residents_.settle(scene_, plugins_);
    } catch (const std::exception& error) {
      scene_.fail(error.what());
    }
    constexpr std::uint64_t kRounds = 8;
    tell_stories(kWarmUpNumbers, kRounds * scene_.slots().size(), nullptr);
    scene_.counts().clear();
  }

  void tell_stories(std::uint64_t first, std::uint64_t count, Progress* progress) {
    Watchdog watchdog(options_, events_);
    const std::uint64_t opening = scene_.slots().size();
    crew_.for_each(
        count,
        [&](std::size_t i, std::size_t worker) {
          if (scene_.failed()) return;
          try {
            Story(scene_, first + i, i < opening, events_.of(worker)).run();
          } catch (const std::exception& error) {
            scene_.fail("task " + std::to_string(first + i) + ": " + error.what());
          }
        },
        [&] {
          watchdog.look(events_.count());
          if (progress != nullptr) progress->show(scene_.counts()[Count::Unloads]);
        },
        std::chrono::milliseconds(100));
    scene_.clear();
  }

  SoakState state() {
    trim_malloc_heap();
    SoakState now{observer_.numbers(), process_holdings(), {}};
    now.ledger.struct_size = sizeof(now.ledger);
    berth_process_stats(&now.ledger);
    return now;
  }

  void judge(SoakReport& report) {
    const auto fault = [&](const std::string& text) { report.faults.push_back(text); };
    if (scene_.failed()) {
      fault(scene_.failure());
      return;
    }
    try {
      residents_.check(scene_);
    } catch (const std::exception& error) {
      fault(error.what());
    }
    for (const Count count : expected()) {
      const std::size_t i = static_cast<std::size_t>(count);
      if (report.counts[i] == 0) fault(std::string("never seen: ") + kCountNames[i].title);
    }
    if (report.counts[static_cast<std::size_t>(Count::Zombies)] !=
        report.counts[static_cast<std::size_t>(Count::Reaps)]) {
      fault("not every zombie was reaped");
    }
    compare(report, fault);
  }

  std::set<Count> expected() const {
    std::set<Count> counts{Count::Loads,        Count::Unloads,      Count::Calls,      Count::FreedByHost,
                           Count::ThreadBirths, Count::RefusedInUse, Count::RefusedHeld};
    if (!scene_.good_slots().empty()) counts.insert({Count::FreedByNewborns, Count::FreedByOthers});
    for (const SoakPlugin& plugin : plugins_) counts.insert(plugin.provokes.begin(), plugin.provokes.end());
    return counts;
  }

  template <typename Fault>
  void compare(SoakReport& report, const Fault& fault) const {
    const SoakState& before = report.before;
    const SoakState& after = report.after;
    const auto equal = [&](const char* what, std::size_t was, std::size_t is) {
      if (was != is) fault(std::string(what) + ": " + grouped(was) + " before, " + grouped(is) + " after");
    };
    equal("threads", before.holdings.threads, after.holdings.threads);
    equal("descriptors", before.holdings.descriptors, after.holdings.descriptors);
    equal("thread keys", before.holdings.thread_keys, after.holdings.thread_keys);
    equal("the ledger's instances", before.ledger.instances, after.ledger.instances);
    equal("the ledger's reservations", before.ledger.reservations, after.ledger.reservations);
    equal("the ledger's reserved bytes", before.ledger.reserved_bytes, after.ledger.reserved_bytes);
    equal("the ledger's committed bytes", before.ledger.committed_bytes, after.ledger.committed_bytes);
    report.memory_judged = !kWithSanitizer;
    if (kWithSanitizer) return;
    equal("address space", before.numbers.address_space, after.numbers.address_space);
    equal("map entries", before.numbers.map_entries, after.numbers.map_entries);
    if (after.numbers.resident > before.numbers.resident + kResidentTolerance) {
      fault("resident memory: " + bytes_text(before.numbers.resident) + " before, " +
            bytes_text(after.numbers.resident) + " after");
    }
  }

  const SoakOptions& options_;
  std::vector<SoakPlugin> plugins_;
  WideHeap wide_heap_;
  ProcessObserver observer_;
  Crew crew_;
  EventLog events_;
  Scene scene_;
  Residents residents_;
  KeptOnPurpose kept_;
  std::vector<AddressRange> kept_ranges_;
};

}  // namespace

SoakReport soak(const SoakOptions& options) {
  use_one_malloc_heap();
  if (!kWithSanitizer) use_small_stacks();  // a sanitizer needs more of a stack
  return Soak(options).run();
}

}  // namespace sample_host
