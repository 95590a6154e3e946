// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// What each step calls and asks.
#include "host_api/src/unloading/teardown_steps.hpp"

#include <string>
#include <utility>
#include <vector>

#include "allocator/misuse/log.hpp"
#include "host_api/src/hosts/router.hpp"
#include "host_api/src/inside/exceptions.hpp"
#include "host_api/src/inside/inside.hpp"
#include "host_api/src/inside/library_pointers.hpp"
#include "host_api/src/plugin/plugin_call.hpp"
#include "host_api/src/unloading/left_behind.hpp"
#include "host_api/src/unloading/pointed_into.hpp"
#include "host_api/src/unloading/report_fields.hpp"
#include "host_api/src/unloading/stack_reports.hpp"
#include "host_api/src/unloading/survivors.hpp"

namespace berth::detail {

namespace {

// What leaves with the plugin.
Ground ground_of(const PluginState& plugin) {
  Ground ground = {plugin.code, {}, plugin.allocator};
  if (plugin.modules.empty()) return ground;
  ground.modules.push_back(plugin.modules.front());
  const std::vector<MappedModule> left = left_behind_for(plugin.modules.front().identity);
  for (const ModuleIdentity& library : private_libraries(plugin.modules, left)) {
    for (const CodeRange& range : code_of(library)) ground.code.push_back(range);
    for (const std::vector<MappedModule>* known : {&plugin.modules, &left}) {
      for (const MappedModule& module : *known) {
        if (module.identity == library) ground.modules.push_back(module);
      }
    }
  }
  return ground;
}

void destroy_instance(PluginState& plugin, UnloadReport& report) noexcept {
  report.survivors = largest_survivors(plugin.instance);
  berth_instance_report freed{};
  freed.struct_size = sizeof(freed);
  report.status = berth_instance_destroy(plugin.instance, &freed);
  report.outcome = UnloadReport::Outcome::Destroyed;
  report.live_blocks = freed.live_blocks;
  report.live_bytes = freed.live_bytes;
  report.returned_bytes = freed.returned_bytes;
}

}  // namespace

void stop(const PluginState& plugin) noexcept {
  if (!plugin.attached) return;
  void* function = plugin.module.own_symbol("berth_stop");
  // Who unloads from a callback is refused: berth_stop could wait for what this thread was about to do.
  if (function == nullptr || is_caller_inside(plugin.code)) return;
  const std::string error = call_to_end(reinterpret_cast<void (*)()>(function));
  if (error.empty()) return;
  try {
    core::log::write(core::log::Severity::Warning, core::log::Code::StopHasThrown,
                     ("berth: " + display_name(plugin) + ": berth_stop " + error).c_str());
  } catch (...) {
    core::log::write(core::log::Severity::Warning, core::log::Code::StopHasThrown,
                     "berth: a plugin's berth_stop has thrown");
  }
}

Obstacle find_inside(const PluginState& plugin) noexcept {
  try {
    return find_inside(ground_of(plugin), plugin.check_threads);
  } catch (...) {
    return unknown_obstacle();
  }
}

Obstacle find_exception(const PluginState& plugin) noexcept {
  Obstacle obstacle = find_exception_on_its_way();
  return obstacle ? obstacle : find_own_exception(plugin.modules, plugin.instance);
}

void detach(PluginState& plugin, UnloadReport& report) noexcept {
  plugin.obstacle = {};
  if (!std::exchange(plugin.attached, false)) return;
  if (void* function = plugin.module.own_symbol("berth_detach")) {
    report.detach_error = call_to_end(reinterpret_cast<void (*)()>(function));
    plugin.obstacle = find_inside(plugin);  // it may have started its last thread
  }
}

Obstacle find_kept(const PluginState& plugin) noexcept {
  try {
    return find_library_pointer(ground_of(plugin));
  } catch (...) {
    return unknown_obstacle();
  }
}

Obstacle find_references(const PluginState& plugin, UnloadReport& report) noexcept {
  if (plugin.check_references == References::Ignore) return {};
  try {
    return find_references(plugin, ground_of(plugin), report);
  } catch (...) {
    return plugin.check_references == References::Refuse ? unknown_obstacle() : Obstacle();
  }
}

void close_module(PluginState& plugin) noexcept {
  if (plugin.routed) router->closing(plugin.instance);
  plugin.module.close();
}

void close(PluginState& plugin) noexcept {
  try {
    plugin.parts = find_parts(plugin);
    plugin.count.keep(plugin.module.identity());
  } catch (...) {  // out of memory costs the list
  }
  plugin.metering = find_metering(plugin, plugin.parts);
  tell_views(plugin, plugin.metering);
  keep_stack_names(plugin.instance);
  close_module(plugin);
}

void end_instance(PluginState& plugin, UnloadReport& report) noexcept {
  report.stacks = live_stacks(plugin.instance);
  if (!plugin.obstacle) {
    destroy_instance(plugin, report);
    return;
  }
  report.outcome = UnloadReport::Outcome::Kept;
  tell_views(plugin, core::registry::Standing::Kept);
  report.status = BERTH_OK;
  tell_obstacle(plugin, report);
  berth_instance_purge(plugin.instance);
}

}  // namespace berth::detail
