// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Tries again on plugins that could not leave when they were unloaded.
#pragma once

#include <cstdint>
#include <vector>

#include "berth/host.hpp"
#include "host_api/src/plugin/plugin_state.hpp"

namespace berth::detail {

// On all of a list, in steps that are each one for all: what a plugin costs does not grow with their number. Adds the
// reports of those that are gone, or kept from now on. `caller_frame` as in PluginState.
void reap(ZombieList& list, std::uintptr_t caller_frame, std::vector<UnloadReport>* reports) noexcept;

// On those whose Host has ended while an exception held them.
void reap_orphans(std::uintptr_t caller_frame, std::vector<UnloadReport>* reports) noexcept;

}  // namespace berth::detail
