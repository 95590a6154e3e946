/* SPDX-License-Identifier: MIT
 * Copyright (c) the Berth authors
 *
 * A plugin that never heard of Berth, and one function of a plugin that did.
 */
#include "berth/allocator.h"
#include "pairs.h"

__attribute__((visibility("default"))) void plugin_pairs(void* nothing, long count) {
  (void)nothing;
  BENCH_PAIRS(count, malloc(kPairBytes), free)
}

static berth_allocator* memory;
static void give_back(void* block) { berth_free(memory, block); }
__attribute__((visibility("default"))) void handle_pairs(void* handle, long count) {
  memory = handle;
  BENCH_PAIRS(count, berth_malloc(memory, kPairBytes), give_back)
}
