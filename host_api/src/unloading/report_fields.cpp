// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Each part of the report, from the plugin's state.
#include "host_api/src/unloading/report_fields.hpp"

#include <vector>

#include "host_api/src/unloading/stack_reports.hpp"

namespace berth::detail {

void tell_name(const PluginState& plugin, UnloadReport& report) noexcept {
  try {
    report.plugin = plugin.name;
  } catch (...) {
    report.plugin.clear();
  }
}

void tell_parts(const PluginState& plugin, UnloadReport& report, const Modules& modules) noexcept {
  report.parts.clear();
  try {
    const auto is_there = [&](const ModuleIdentity& module) { return modules.is_mapped(module); };
    const std::vector<PluginPart> parts =
        plugin.module.is_open() ? find_parts(plugin) : find_parts_left(plugin, plugin.parts, is_there);
    for (const PluginPart& part : parts) report.parts.push_back(part_report(part));
    report.parts_uncounted = plugin.count.uncounted();
  } catch (...) {  // out of memory costs the list
  }
}

void tell_metering(const PluginState& plugin, UnloadReport& report) noexcept {
  report.metering = plugin.metering.metering;
  try {
    report.metering_text = plugin.metering.text;
  } catch (...) {
    report.metering_text = "out of memory";
  }
}

void tell_obstacle(const PluginState& plugin, UnloadReport& report) noexcept {
  report.why = plugin.obstacle.why;
  try {
    report.cause = plugin.obstacle.text;
  } catch (...) {
    report.cause = unknown_obstacle().text;
  }
}

void tell_zombie(const PluginState& plugin, UnloadReport& report) noexcept {
  tell_metering(plugin, report);
  if (plugin.module.is_open()) tell_parts(plugin, report, Modules());  // else finish() has told
  report.outcome = UnloadReport::Outcome::Zombie;
  tell_views(plugin, core::registry::Standing::Zombie);
  report.status = BERTH_ERR_STILL_MAPPED;
  berth_instance_statistics statistics{};
  statistics.struct_size = sizeof(statistics);
  if (berth_instance_stats(plugin.instance, &statistics) == BERTH_OK) {
    report.live_blocks = statistics.live_blocks;
    report.live_bytes = statistics.live_bytes;
  }
  report.stacks = live_stacks(plugin.instance);
  tell_obstacle(plugin, report);
}

}  // namespace berth::detail
