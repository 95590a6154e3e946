// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Whether a plugin whose module was closed has left: none of the code that may use its instance is mapped.
#pragma once

#include <optional>
#include <span>

#include "berth/host.hpp"
#include "host_api/src/modules/module_inspection.hpp"
#include "host_api/src/plugin/plugin_state.hpp"
#include "host_api/src/unloading/modules_of_many.hpp"

namespace berth::detail {

// Before somebody is asked about modules that have left.
void tell_router() noexcept;

// A mapped module that the router leads to the plugin's instance. The router knows who has left.
std::optional<ModuleIdentity> routed_user_of(const PluginState& plugin);

// Has the answers about these plugins' modules ready, unless it is as cheap to ask for each when it comes up.
void look_at_many(std::span<const PluginState* const> plugins, Modules& modules) noexcept;

// The answer, with what the report says of the plugin's modules. False: `plugin.obstacle` says why.
bool has_left(PluginState& plugin, UnloadReport& report, Modules& modules) noexcept;

}  // namespace berth::detail
