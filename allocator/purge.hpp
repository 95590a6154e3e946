// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Memory that goes back while the instance lives: all that is empty, or what has been idle for long.
#pragma once

namespace berth::core {

struct Instance;

// Gives empty memory back: of the calling thread's cache, of dead threads' caches, of the arena.
void purge(Instance& instance) noexcept;

// In all instances of the process but those in which the calling thread may not wait: gives back what is over age.
void give_back_idle() noexcept;

}  // namespace berth::core
