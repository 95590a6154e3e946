// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// The game, as a plugin: change kPointsPerFrame while the host runs, build, and watch it go on where it was.
#include <berth/plugin.h>

#include <string>
#include <vector>

#include "state.h"

BERTH_PLUGIN("game");

constexpr unsigned kPointsPerFrame = 1;

// A cache of this build. berth::plugin_new has it in the build's own instance, where it ends with the build.
static std::vector<std::string> cache;

// False: a layout that this build does not know. A build with an older layout's reader would convert it here.
BERTH_PLUGIN_EXPORT bool game_take_over(State* state) { return state->layout == STATE_LAYOUT; }

BERTH_PLUGIN_EXPORT bool game_frame(State* state) {
  if (state->frames == state->trail_capacity) {
    const size_t capacity = state->trail_capacity == 0 ? 64 : 2 * state->trail_capacity;
    void* const grown = berth_realloc(state->memory, state->trail, capacity * sizeof(state->trail[0]));
    if (grown == nullptr) return false;  // the trail is as it was
    state->trail = static_cast<uint64_t*>(grown);
    state->trail_capacity = capacity;
  }
  state->points += kPointsPerFrame;
  state->trail[state->frames++] = state->points;
  if (cache.size() < 100) cache.push_back("sprite of frame " + std::to_string(state->frames));
  return true;
}
