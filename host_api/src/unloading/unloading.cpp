// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// An unload's patience, and how its refusals are told.
#include "host_api/src/unloading/unloading.hpp"

#include <algorithm>
#include <string>
#include <thread>

#include "host_api/src/inside/exceptions.hpp"
#include "host_api/src/unloading/teardown.hpp"
#include "host_api/src/unloading/teardown_steps.hpp"

namespace berth::detail {

namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

[[noreturn]] void refuse(const PluginState& plugin, std::optional<milliseconds> timeout, const Obstacle& obstacle) {
  const std::string text = display_name(plugin) + ": " + obstacle.text;
  if (!timeout) throw Error(BERTH_ERR_BUSY, plugin.name, text, obstacle.why);
  throw Error(BERTH_ERR_TIMEOUT, plugin.name, text + ", after " + std::to_string(timeout->count()) + " ms",
              obstacle.why);
}

// Looks again until nobody is inside or the time has run out. Nobody tells when a thread leaves a function or a signal
// gets another handler, so there is nothing to wait on but time.
Obstacle wait_until_nobody_is_inside(const PluginState& plugin, Clock::time_point deadline) {
  constexpr milliseconds kLongestPause(32);
  Obstacle inside = find_inside(plugin);
  for (milliseconds pause(1); inside && Clock::now() < deadline; pause = std::min(2 * pause, kLongestPause)) {
    std::this_thread::sleep_until(std::min(deadline, Clock::now() + pause));
    inside = find_inside(plugin);
  }
  return inside;
}

}  // namespace

UnloadReport unload_plugin(const std::shared_ptr<PluginState>& plugin, std::optional<milliseconds> timeout) {
  // Not refused: the caller is a destructor, most likely, and may not throw.
  if (const Obstacle exception = find_exception_on_its_way()) {
    if (plugin->holds.closed()) throw being_unloaded(*plugin);
    return leave_to_reap(plugin, exception);
  }
  // Bounded, so that the sum cannot overflow: a year is for ever.
  const Clock::time_point deadline =
      Clock::now() + std::min<milliseconds>(timeout.value_or(milliseconds(0)), std::chrono::hours(24 * 365));
  const bool closed = timeout ? plugin->holds.close_until(deadline) : plugin->holds.close();
  if (!closed) {
    if (plugin->holds.closed()) throw being_unloaded(*plugin);
    refuse(*plugin, timeout, {Cause::Held, "an import or a lease still holds it"});
  }
  if (const Obstacle exception =
          find_own_exception(plugin->modules, plugin->instance)) {  // to wait for it would be to wait for the caller
    plugin->holds.open();
    refuse(*plugin, std::nullopt, exception);
  }
  stop(*plugin);
  if (const Obstacle inside = wait_until_nobody_is_inside(*plugin, deadline)) {
    plugin->holds.open();
    refuse(*plugin, timeout, inside);
  }
  const bool has_last_word = plugin->attached && plugin->module.own_symbol("berth_detach") != nullptr;
  if (const Obstacle kept = has_last_word ? Obstacle() : find_kept(*plugin)) {
    plugin->holds.open();
    refuse(*plugin, std::nullopt, kept);
  }
  if (plugin->check_references == References::Refuse && !has_last_word) {
    UnloadReport unused;
    if (const Obstacle references = find_references(*plugin, unused)) {
      plugin->holds.open();
      refuse(*plugin, std::nullopt, references);
    }
    plugin->references_checked = true;
  }
  return tear_down(plugin);
}

}  // namespace berth::detail
