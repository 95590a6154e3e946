// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Release: what becomes of a module's instance when the module is gone. An instance with live blocks is kept while
// somebody outside points to one of them, and looked at again: at later unloads, when as many blocks were freed as
// somebody pointed to, and at the end.
#pragma once

#include "host_api/src/routing/modules.hpp"

namespace berth::routing {

// The module is not mapped any more, and nobody executes its code. What has live blocks waits for the look.
// Under the loader's lock.
void give_back(Module& module) noexcept;

// Decides on what waits, together with what is kept. `caller_frame`: where the stack of the program's own functions
// begins. Under the loader's lock.
void look_at_kept(std::uintptr_t caller_frame) noexcept;

// At the end of the process nothing is given back any more, but what nobody points to counts as forgotten.
void look_at_kept_at_end(std::uintptr_t caller_frame) noexcept;

}  // namespace berth::routing
