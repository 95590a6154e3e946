// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// The steps in their order, and what becomes of a plugin that one of them stops.
#include "host_api/src/unloading/teardown.hpp"

#include <chrono>
#include <utility>

#include "host_api/src/unloading/keeping.hpp"
#include "host_api/src/unloading/modules_of_many.hpp"
#include "host_api/src/unloading/report_fields.hpp"
#include "host_api/src/unloading/still_mapped.hpp"
#include "host_api/src/unloading/teardown_steps.hpp"

namespace berth::detail {

namespace {

using Clock = std::chrono::steady_clock;

// The module of one plugin was closed. True: it has left, and the instance is destroyed or kept.
bool finish(PluginState& plugin, UnloadReport& report) noexcept {
  if (plugin.routed) tell_router();
  Modules modules;
  const PluginState* const alone = &plugin;
  look_at_many({&alone, 1}, modules);
  const bool left = has_left(plugin, report, modules);
  modules.settle();
  if (!left) return false;
  if (may_be_kept(plugin, report)) {
    const Ending ending = {&plugin, &report};
    keep_instances({&ending, 1}, plugin.zombies.get(), plugin.caller_frame);
  }
  end_instance(plugin, report);
  plugin.claim.release();
  return true;
}

}  // namespace

UnloadReport tear_down(std::shared_ptr<PluginState> plugin) noexcept {
  const Clock::time_point start = Clock::now();
  UnloadReport report;
  tell_name(*plugin, report);
  detach(*plugin, report);
  if (!plugin->obstacle) plugin->obstacle = find_kept(*plugin);
  const bool checked = std::exchange(plugin->references_checked, false);
  if (!plugin->obstacle && !checked) plugin->obstacle = find_references(*plugin, report);
  if (!plugin->obstacle) close(*plugin);
  if (plugin->obstacle || !finish(*plugin, report)) {
    tell_zombie(*plugin, report);
    ZombieList& zombies = *plugin->zombies;
    zombies.add(std::move(plugin));
  } else if (report.outcome == UnloadReport::Outcome::Kept) {
    plugin->kept = true;
    ZombieList& zombies = *plugin->zombies;
    zombies.add(std::move(plugin));
  }
  report.time_taken = Clock::now() - start;
  return report;
}

UnloadReport leave_to_reap(std::shared_ptr<PluginState> plugin, Obstacle obstacle) noexcept {
  UnloadReport report;
  tell_name(*plugin, report);
  plugin->obstacle = std::move(obstacle);
  tell_zombie(*plugin, report);
  ZombieList& zombies = *plugin->zombies;
  zombies.add(std::move(plugin));
  return report;
}

void undo_load(std::shared_ptr<PluginState> plugin, Error& error) noexcept {
  if (plugin->module.is_open()) plugin->obstacle = find_inside(*plugin);  // it may have started a thread
  if (plugin->module.is_open() && !plugin->obstacle) plugin->obstacle = find_kept(*plugin);
  if (!plugin->obstacle) {
    close_module(*plugin);
    plugin->release = Release::Always;  // a plugin that was never loaded has handed nothing to anybody
    UnloadReport report;
    if (finish(*plugin, report)) return;
  }
  try {
    error = Error(error.status(), error.plugin(),
                  error.text() + "; its instance is kept, since the module is still mapped: " + plugin->obstacle.text,
                  plugin->obstacle.why);
  } catch (...) {  // out of memory: the error as it was
  }
  tell_views(*plugin, core::registry::Standing::Zombie);
  ZombieList& zombies = *plugin->zombies;
  zombies.add(std::move(plugin));
}

}  // namespace berth::detail
