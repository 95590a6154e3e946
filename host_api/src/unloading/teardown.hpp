// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// The teardown protocol: detach, close, verify that the module has left, destroy the instance. An instance is never
// destroyed while a module that may use it is mapped.
#pragma once

#include <memory>

#include "berth/host.hpp"
#include "host_api/src/modules/obstacle.hpp"
#include "host_api/src/plugin/plugin_state.hpp"

namespace berth::detail {

// Unloads a plugin whose door (HoldCount) the caller has closed, and in which nobody is. Cannot fail: what is still
// mapped becomes a zombie.
UnloadReport tear_down(std::shared_ptr<PluginState> plugin) noexcept;

// Reports a plugin whose door is open or closed as it is, and leaves it to its Host's reap.
UnloadReport leave_to_reap(std::shared_ptr<PluginState> plugin, Obstacle obstacle) noexcept;

// Undoes a load that failed with `error` after the module was opened, and adds to its text if something stays.
void undo_load(std::shared_ptr<PluginState> plugin, Error& error) noexcept;

}  // namespace berth::detail
