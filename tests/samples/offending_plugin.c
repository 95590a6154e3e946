/* SPDX-License-Identifier: MIT
 * Copyright (c) the Berth authors
 *
 * A plugin that frees what is nobody's: the host names it and goes on. */
#include "work.h"

BERTH_PLUGIN("offending");

static berth_allocator* handle;
static char not_a_block[64];

int berth_attach(berth_allocator* allocator) {
  handle = allocator;
  return 0;
}

int work(const work_request* request, work_result* result) {
  (void)request;
  berth_free(handle, not_a_block);
  result->units = 1;
  result->unit = "offences";
  return 0;
}

void work_free(work_result* result) { berth_free(handle, result->text); }
