/* SPDX-License-Identifier: MIT
 * Copyright (c) the Berth authors
 *
 * Counts words as examples/c_host's plugin does, and frees its block twice. */
#include <berth/plugin.h>

BERTH_PLUGIN("careless");

static berth_allocator* memory;

BERTH_PLUGIN_EXPORT int berth_attach(berth_allocator* allocator) {
  memory = allocator;
  return 0;
}

BERTH_PLUGIN_EXPORT int count_words(const char* text) {
  void* const block = berth_malloc(memory, 100);
  berth_free(memory, block);
  berth_free(memory, block);
  return text[0] == '\0' ? 0 : 6;
}
