/* SPDX-License-Identifier: MIT
 * Copyright (c) the Berth authors
 *
 * A plugin in C: headers alone, nothing linked. */
#include <berth/plugin.h>

#include "work.h"

BERTH_PLUGIN("c_plugin")

static berth_allocator* memory;

int berth_attach(berth_allocator* allocator) {
  memory = allocator;
  return 0;
}

int work(void) {
  void* block = berth_calloc(memory, 10, 100);
  const int status = block != NULL && berth_owns(memory, block) ? 0 : 1;
  berth_free(memory, block);
  return status;
}
