// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Release: what becomes of a module's instance when the module is gone.
#pragma once

#include "host_api/src/routing/modules.hpp"

namespace berth::routing {

// The module is not mapped any more, and nobody executes its code. Under the loader's lock.
void give_back(Module& module) noexcept;

}  // namespace berth::routing
