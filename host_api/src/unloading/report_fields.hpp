// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// What an unload report says of the plugin itself. Out of memory costs words, never the report.
#pragma once

#include "berth/host.hpp"
#include "host_api/src/plugin/plugin_state.hpp"
#include "host_api/src/unloading/modules_of_many.hpp"

namespace berth::detail {

void tell_name(const PluginState& plugin, UnloadReport& report) noexcept;
void tell_metering(const PluginState& plugin, UnloadReport& report) noexcept;
void tell_obstacle(const PluginState& plugin, UnloadReport& report) noexcept;

// The parts that the plugin leaves open.
void tell_parts(const PluginState& plugin, UnloadReport& report, const Modules& modules) noexcept;

// All of it, for a plugin that stays: its obstacle says why.
void tell_zombie(const PluginState& plugin, UnloadReport& report) noexcept;

}  // namespace berth::detail
