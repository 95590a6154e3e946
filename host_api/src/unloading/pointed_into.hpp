// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Who points into a plugin's modules that are about to leave, where its load options ask for that: a callback, an
// object of a class of the plugin's, a key's destructor that was left behind would lead into nothing.
#pragma once

#include "berth/host.hpp"
#include "host_api/src/inside/inside.hpp"
#include "host_api/src/plugin/plugin_state.hpp"

namespace berth::detail {

// The report names who was found. An obstacle where the options refuse to unload then, or where nobody could look.
Obstacle find_references(const PluginState& plugin, const Ground& ground, UnloadReport& report) noexcept;

}  // namespace berth::detail
