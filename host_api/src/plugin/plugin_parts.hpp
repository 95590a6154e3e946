// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// The parts of a plugin: modules that it has opened itself and not closed. They stay when it leaves, and what they
// allocate no instance need see.
#pragma once

#include <functional>
#include <vector>

#include "host_api/src/metering/metering.hpp"
#include "host_api/src/modules/opened_modules.hpp"

namespace berth::detail {

struct PluginState;

struct PluginPart {
  OpenedModule module;
  ModuleIdentity opener;  // the plugin's own module, a library that came with it, or another part
  // It is the opener's: its count says so. Else the module came while the plugin was loaded, from somebody who keeps no
  // count, such as the opener.
  bool certain = true;
  bool came_with_plugin = true;  // false: it was there before the plugin was
  MeteringFinding metering;
};

// Of a plugin that is mapped.
std::vector<PluginPart> find_parts(const PluginState& plugin);

// Of a plugin that was closed, whose parts were `before`: those that are still open, and those that its destructors
// have opened. `before` is the answer of find_parts() just before it was closed; `is_there` tells what is mapped.
std::vector<PluginPart> find_parts_left(const PluginState& plugin, const std::vector<PluginPart>& before,
                                        const std::function<bool(const ModuleIdentity&)>& is_there);

// As the public structs have it.
PartReport part_report(const PluginPart& part);

// Of a mapped plugin with these parts.
MeteringFinding find_metering(const PluginState& plugin, const std::vector<PluginPart>& parts) noexcept;

}  // namespace berth::detail
