// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// What the stories of a soak share: the host, a slot for every plugin, blocks on their way from one thread to another,
// the counts, and the first thing that went wrong.
#pragma once

#include <atomic>
#include <deque>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "berth/host.hpp"
#include "plugin_metering.hpp"
#include "soak/counts.hpp"
#include "soak/plugin_set.hpp"
#include "work.h"

namespace sample_host {

// Something happened that must not: the soak has failed.
class SoakFailure : public std::runtime_error {
  using runtime_error::runtime_error;
};

// A plugin of the set, loaded now or not.
struct Slot {
  explicit Slot(SoakPlugin what) : plugin(std::move(what)) {}

  const SoakPlugin plugin;
  std::mutex mutex;  // of `loaded`: held while it is loaded and unloaded, and while a visitor enters. One at a time.
  berth::Plugin loaded;
};

// A block of a plugin's instance that somebody is to free, and a lease, so that the plugin stays until it is freed.
struct Parcel {
  char* block = nullptr;
  berth::Lease lease;
  std::thread::id from;
};

class Scene {
 public:
  Scene(const std::vector<SoakPlugin>& plugins, std::uint64_t seed);

  std::uint64_t seed() const { return seed_; }
  std::deque<Slot>& slots() { return slots_; }
  // Slots whose plugins many threads may visit.
  const std::vector<Slot*>& good_slots() const { return good_slots_; }
  berth::Host& host() { return host_; }
  Counts& counts() { return counts_; }

  // For a slot whose mutex the caller holds. Throws SoakFailure if the load is refused. Good plugins are entered
  // through imports and leases only and start no threads, so that unloading need not look for threads inside.
  void load(Slot& slot, bool check_threads);
  berth::LoadOptions options();

  // Remembers how much of a plugin is metered, when it is loaded first. [any thread]
  void note_metering(const std::string& name, const berth::Plugin& loaded);
  std::vector<PluginMetering> metering();

  // Reaps, one thread at a time: after it, nothing that could go is still a zombie. [any thread]
  void reap();

  // Leaves a block to another thread; takes one that another thread left; frees all that were left. [any thread]
  void leave(Parcel parcel);
  std::optional<Parcel> pick_up();
  void free_what_was_left();
  // As a host does that gets a block and knows nothing of it.
  void free_as_host(Parcel parcel, Count count);

  // Remembers the first failure; the crew ends at the next occasion. [any thread]
  void fail(const std::string& text);
  bool failed() const { return failed_.load(std::memory_order_relaxed); }
  std::string failure();

  // When no story runs: everything that was left is freed, every plugin that can go is gone.
  void clear();

 private:
  static void on_misuse(void* context, const berth_misuse* misuse);

  std::uint64_t seed_;
  Counts counts_;
  std::atomic<bool> failed_{false};  // written under the mutex below; a hint to stop early, so that relaxed is enough
  std::mutex failure_mutex_;
  std::string failure_;
  std::mutex metering_mutex_;
  std::vector<PluginMetering> metering_;
  std::mutex parcels_mutex_;
  std::vector<Parcel> parcels_;
  std::mutex reap_mutex_;
  berth::Host host_;  // outlives the plugins in the slots
  std::deque<Slot> slots_;
  std::vector<Slot*> good_slots_;
};

}  // namespace sample_host
