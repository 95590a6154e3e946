/* SPDX-License-Identifier: MIT
 * Copyright (c) the Berth authors
 *
 * frees its input: takes the bytes that it is to work on for its own. Where they are a neighbour's, whose text the host
 * has passed on, that would corrupt the neighbour's heap. */
#include "work.h"

BERTH_PLUGIN("frees its input");

static berth_allocator* handle;

int berth_attach(berth_allocator* allocator) {
  handle = allocator;
  return 0;
}

int work(const work_request* request, work_result* result) {
  result->units = request->input.size;
  result->unit = "bytes freed";
  berth_free(handle, (void*)(uintptr_t)request->input.bytes);
  return 0;
}

void work_free(work_result* result) { berth_free(handle, result->text); }
