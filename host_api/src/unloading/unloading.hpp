// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// The way out, up to the point of no return: close the door, make sure that nobody is inside, then tear down.
#pragma once

#include <chrono>
#include <memory>
#include <optional>

#include "berth/host.hpp"
#include "host_api/src/plugin/plugin_state.hpp"

namespace berth::detail {

// Throws Error if somebody holds the plugin or is inside it, BUSY at once without a timeout and TIMEOUT after it; then
// the plugin is as it was.
UnloadReport unload_plugin(const std::shared_ptr<PluginState>& plugin,
                           std::optional<std::chrono::milliseconds> timeout);

}  // namespace berth::detail
