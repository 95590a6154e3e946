/* SPDX-License-Identifier: MIT
 * Copyright (c) the Berth authors
 *
 * What outlives a build of the game. A build's own instance ends with the build, and all that it allocated there. So
 * the state lies in an instance of the host's own, and the builds hand it over:
 *
 *   host's instance "state"   State ──► trail          lives from the first build to the host's end
 *   build 1's instance        caches, strings, ...     ends with build 1
 *   build 2's instance        caches, strings, ...     ends with build 2
 *
 * Three rules keep it valid. Each block that the state leads to is allocated with `memory`. Nothing in it points into a
 * build: no function, no string literal, no object with virtual functions. Its layout has a number, and a build that
 * does not know the number refuses. */
#ifndef STATE_H
#define STATE_H
#include <berth/allocator.h>

enum { STATE_LAYOUT = 1 }; /* counted up whenever a member changes */

struct State {
  uint32_t layout;
  berth_allocator* memory; /* of the host's instance */
  uint64_t frames;
  uint64_t points;
  uint64_t* trail; /* the points after each frame */
  size_t trail_capacity;
};

#endif
