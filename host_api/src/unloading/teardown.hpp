// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// The teardown protocol: detach, close, verify that the module has left, destroy the instance. An instance is never
// destroyed while a module that may use it is mapped.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "berth/host.hpp"
#include "host_api/src/modules/obstacle.hpp"
#include "host_api/src/plugin/plugin_state.hpp"

namespace berth::detail {

// Has the plugin end its own threads, by berth_stop where it exports that.
void stop(const PluginState& plugin) noexcept;

// Who is inside the module, so that it must not be closed.
Obstacle find_inside(const PluginState& plugin) noexcept;

// Which pointers into it the C++ library keeps for the whole process. Looked for when the plugin has had its last word:
// after berth_detach.
Obstacle find_kept(const PluginState& plugin) noexcept;

// Who points into the modules that leave, where that is asked for: the report names them. Likewise after berth_detach.
Obstacle find_references(const PluginState& plugin, UnloadReport& report) noexcept;

// Unloads a plugin whose door (HoldCount) the caller has closed, and in which nobody is. Cannot fail: what is still
// mapped becomes a zombie.
UnloadReport tear_down(std::shared_ptr<PluginState> plugin) noexcept;

// Tries again on all of a list, in steps that are each one for all: what a plugin costs does not grow with their
// number. Adds the reports of those that are gone, or kept from now on. `caller_frame` as in PluginState.
void reap(ZombieList& list, std::uintptr_t caller_frame, std::vector<UnloadReport>* reports) noexcept;

// Reports a plugin whose door is open or closed as it is, and leaves it to its Host's reap.
UnloadReport leave_to_reap(std::shared_ptr<PluginState> plugin, Obstacle obstacle) noexcept;

// Tries again on those whose Host has ended while an exception held them.
void tear_down_orphans(std::uintptr_t caller_frame, std::vector<UnloadReport>* reports) noexcept;

// Undoes a load that failed with `error` after the module was opened, and adds to its text if something stays.
void undo_load(std::shared_ptr<PluginState> plugin, Error& error) noexcept;

}  // namespace berth::detail
