// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Exceptions of the calling thread that may be a plugin's: their class, their text or what they point to may live in
// it, and whoever handles them would go on in memory that is gone. Threads keep their exceptions to themselves: those
// of another one are not seen, and neither is one that a std::exception_ptr or a future keeps for later.
#pragma once

#include <span>

#include "host_api/src/modules/module_graph.hpp"
#include "host_api/src/modules/obstacle.hpp"

struct berth_instance;

namespace berth::detail {

// Some exception, whoever's, is on its way through this thread, or one is being handled on it. [any thread]
bool any_exception() noexcept;
Obstacle exception_in_hand() noexcept;  // the same as a reason

// Of these only one that is on its way. Nobody tells what it is. [any thread]
Obstacle find_exception_on_its_way() noexcept;

// One that is being handled on this thread and is the plugin's, or points into it. [any thread]
Obstacle find_own_exception(std::span<const MappedModule> modules, const berth_instance* instance) noexcept;

}  // namespace berth::detail
