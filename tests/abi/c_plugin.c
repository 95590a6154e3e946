/* SPDX-License-Identifier: MIT
 * Copyright (c) the Berth authors
 *
 * A plugin in C99 with everything a plugin may export, compiled into the test that reads it back: berth/plugin.h needs
 * no library behind it. */
#include "berth/plugin.h"

BERTH_PLUGIN("c plugin")

static void* held;
static berth_allocator* allocator_held;

BERTH_PLUGIN_EXPORT int berth_attach(berth_allocator* allocator) {
  allocator_held = allocator;
  held = berth_malloc(allocator, 32);
  return held == NULL;
}

BERTH_PLUGIN_EXPORT void berth_detach(void) {
  berth_free(allocator_held, held);
  held = NULL;
}
