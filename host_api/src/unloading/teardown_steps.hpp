// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// The steps of the teardown protocol (docs/design.md, "Life of a plugin"), each for one plugin. No lock is held in any.
#pragma once

#include "berth/host.hpp"
#include "host_api/src/modules/obstacle.hpp"
#include "host_api/src/plugin/plugin_state.hpp"

namespace berth::detail {

// Has the plugin end its own threads, by berth_stop where it exports that.
void stop(const PluginState& plugin) noexcept;

// Who is inside the module, so that it must not be closed.
Obstacle find_inside(const PluginState& plugin) noexcept;

// The exception of the calling thread that lives in the plugin, or may.
Obstacle find_exception(const PluginState& plugin) noexcept;

// Calls berth_detach, once. Sets `plugin.obstacle` where it has started a thread.
void detach(PluginState& plugin, UnloadReport& report) noexcept;

// Which pointers into it the C++ library keeps for the whole process. Looked for when the plugin has had its last word:
// after berth_detach.
Obstacle find_kept(const PluginState& plugin) noexcept;

// Who points into the modules that leave, where that is asked for: the report names them. Likewise after berth_detach.
Obstacle find_references(const PluginState& plugin, UnloadReport& report) noexcept;

// Closes the module of a plugin that was loaded. What can be asked of it only while it is mapped comes first.
void close(PluginState& plugin) noexcept;

// Closes a module, and no more.
void close_module(PluginState& plugin) noexcept;

// The module has left. The instance goes, or is kept where `plugin.obstacle` says why.
void end_instance(PluginState& plugin, UnloadReport& report) noexcept;

}  // namespace berth::detail
