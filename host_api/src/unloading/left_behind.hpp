// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Modules that have outlived the plugin that they came with, because another module needs them. They leave with the
// last plugin that does, so who is inside one of them is inside that plugin.
#pragma once

#include <span>
#include <vector>

#include "host_api/src/modules/module_graph.hpp"

namespace berth::detail {

// Adds those that have not left. [any thread]
void leave_behind(std::span<const MappedModule> modules);

// Takes those out that have left since. One walk of the loader's list, or none where nothing was left behind.
// [any thread]
void forget_departed();

// Those of them that this module needs. [any thread]
std::vector<MappedModule> left_behind_for(const ModuleIdentity& module);

}  // namespace berth::detail
