/* SPDX-License-Identifier: MIT
 * Copyright (c) the Berth authors
 *
 * Forgets a block of each way that its handle has to allocate, each in a function of its own that nobody else sees.
 */
#include "berth/plugin.h"

BERTH_PLUGIN("forgets")

static berth_allocator* handle;
/* Written behind each call, so that none is the last thing that its function does. */
static volatile int done;

int berth_attach(berth_allocator* allocator) {
  handle = allocator;
  return 0;
}

__attribute__((noinline)) static void by_allocate(void) {
  berth_malloc(handle, 100);
  done = 1;
}
__attribute__((noinline)) static void by_zeroed(void) {
  berth_calloc(handle, 10, 20);
  done = 2;
}
__attribute__((noinline)) static void by_aligned(void) {
  berth_aligned_alloc(handle, 64, 300);
  done = 3;
}
__attribute__((noinline)) static void by_resize(void) {
  berth_realloc(handle, berth_malloc(handle, 10), 100000);
  done = 4;
}

BERTH_PLUGIN_EXPORT void forget_all(void);
void forget_all(void) {
  by_allocate();
  by_zeroed();
  by_aligned();
  by_resize();
  berth_free(handle, berth_malloc(handle, 1000));
}
