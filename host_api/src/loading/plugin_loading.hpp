// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// The way in: from a path, or from a module that is open already, to an attached plugin. Both throw berth::Error.
#pragma once

#include <filesystem>
#include <memory>

#include "berth/host.hpp"
#include "host_api/src/plugin/plugin_state.hpp"

namespace berth::detail {

std::shared_ptr<PluginState> load_plugin(std::shared_ptr<ZombieList> zombies, const std::filesystem::path& path,
                                         const LoadOptions& options);

std::shared_ptr<PluginState> adopt_plugin(std::shared_ptr<ZombieList> zombies, void* native_handle,
                                          const LoadOptions& options, berth_instance* instance);

}  // namespace berth::detail
