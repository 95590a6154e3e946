// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// What the host knows of one plugin, and the list of those that could not be unloaded. Shared by the Plugin, its
// imports and leases, and by the Host's list once the Plugin is gone.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "allocator/registry.hpp"
#include "arenas/pal/lock.hpp"
#include "berth/host.hpp"
#include "host_api/src/metering/metering.hpp"
#include "host_api/src/modules/code_range.hpp"
#include "host_api/src/modules/file_claim.hpp"
#include "host_api/src/modules/module_graph.hpp"
#include "host_api/src/modules/module_loader.hpp"
#include "host_api/src/modules/module_owner.hpp"
#include "host_api/src/modules/obstacle.hpp"
#include "host_api/src/modules/opened_modules.hpp"
#include "host_api/src/modules/private_copy.hpp"
#include "host_api/src/plugin/hold_count.hpp"
#include "host_api/src/plugin/plugin_parts.hpp"
#include "host_api/src/references/dangling_words.hpp"

namespace berth::detail {

class ZombieList;

struct PluginState {
  // Where the plugin goes if it cannot be unloaded.
  std::shared_ptr<ZombieList> zombies;

  std::filesystem::path path;
  std::string name;
  berth_instance* instance = nullptr;
  berth_allocator* allocator = nullptr;
  bool is_copy = false;             // a private one, of the file of that path
  PrivateCopy copy;                 // that the module was opened from, if any; outlives it
  std::filesystem::path kept_copy;  // of the load options: it is the host's
  Module module;
  std::vector<MappedModule> modules;  // the plugin's own, then the libraries that were loaded because of it
  ModuleOwner owner;                  // of these
  std::vector<CodeRange> code;        // of the module, from when it was opened
  bool check_threads = true;          // of the load options
  Release release = Release::PluginsDefault;
  bool routed = false;      // by the router: what has no Berth in it allocates from the instance
  bool ran_before = false;  // it was adopted, and what it had allocated by then is nobody's
  References check_references = References::Ignore;
  bool references_checked = false;     // by an unload that goes on
  references::DanglingWords dangling;  // before the module was opened, where references are checked
  bool kept = false;                   // the module has left, and the instance waits until nobody points into it
  std::uintptr_t caller_frame = 0;     // where the stack of whoever unloads begins, as far as it counts; 0: all of it
  FileClaim claim;
  HoldCount holds;
  bool attached = false;          // berth_attach has run (or there is none): berth_detach is due
  MeteringFinding metering;       // as it was when the module was to be closed
  KeptCount count;                // of what the module has opened, from then on
  std::vector<PluginPart> parts;  // as they were then
  Obstacle obstacle;              // why it is a zombie, or waits for its last thread

  std::shared_ptr<PluginState> next;  // in a ZombieList
};

// Plugins whose module is still mapped or still held. A list through the plugins themselves, so that adding one cannot
// fail. The mutex is never held while a plugin's code or the loader runs.
class ZombieList {
 public:
  constexpr ZombieList() = default;

  // After end(): kept until the process ends. Instances that are kept are listed and not counted: no zombies.
  void add(std::shared_ptr<PluginState> plugin) noexcept;
  // All of them, as a list through `next`; they are counted on until gone() or put_back().
  std::shared_ptr<PluginState> take_all() noexcept;
  void put_back(std::shared_ptr<PluginState> plugin) noexcept;
  void gone(const PluginState& plugin) noexcept {
    if (!plugin.kept) count_.fetch_sub(1, std::memory_order_relaxed);
  }
  // A zombie's module has left, and its instance is kept.
  void becomes_kept(PluginState& plugin) noexcept {
    gone(plugin);
    plugin.kept = true;
  }
  bool is_empty() noexcept;
  std::size_t count() const noexcept { return count_.load(std::memory_order_relaxed); }

  // The Host has ended: nobody reaps this list any more. Plugins that an exception held back become orphans.
  void end() noexcept;

  // Plugins that can be unloaded once an exception is over, and whose Host has ended: every Host reaps them.
  static ZombieList& orphans() noexcept;

 private:
  pal::Lock mutex_{pal::LockRank::Host};
  std::shared_ptr<PluginState> first_;
  std::atomic<std::size_t> count_ = 0;
  bool ended_ = false;
};

// "name (path)", or the name alone where it says the same; "name (instance 3, a copy of path)"; the path alone, or
// "(unnamed)", where there is no name.
std::string display_name(const PluginState& plugin);

// How much of its memory is metered, while it is mapped.
MeteringFinding find_metering(const PluginState& plugin) noexcept;

// Tells views from outside how much is metered, and what the instance is to its host.
void tell_views(const PluginState& plugin, const MeteringFinding& metering) noexcept;
void tell_views(const PluginState& plugin, core::registry::Standing standing) noexcept;

// What a call on a plugin answers whose door is closed.
Error being_unloaded(const PluginState& plugin);

}  // namespace berth::detail
