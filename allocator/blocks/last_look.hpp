// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// The last look, at GUARDED: when an instance ends, is every free small block as it was left? What a plugin wrote to
// blocks that nobody used again would never be told otherwise.
#pragma once

#include "allocator/instance.hpp"

namespace berth::core {

// Notes what it finds as findings. The instance is quiet. At other levels it does nothing, and neither in a forked
// child whose parent had other threads: the fork may have cut them while they were filling a block.
void take_last_look(Instance& instance) noexcept;

}  // namespace berth::core
