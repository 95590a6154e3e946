/* SPDX-License-Identifier: MIT
 * Copyright (c) the Berth authors
 *
 * leaks everything: blocks of every size from 16 bytes to 1 MiB, aligned ones, grown ones and the texts of its own
 * results. None is ever freed. */
#include <string.h>

#include "work.h"

BERTH_PLUGIN("leaks everything");

static berth_allocator* handle;

int berth_attach(berth_allocator* allocator) {
  handle = allocator;
  return 0;
}

int work(const work_request* request, work_result* result) {
  enum { kSmallest = 16, kLargest = 1024 * 1024 };
  result->unit = "blocks forgotten";
  for (size_t size = kSmallest; size <= kLargest; size *= 2) {
    char* plain = berth_malloc(handle, size + 1);
    char* aligned = berth_aligned_alloc(handle, size, size);
    char* grown = berth_realloc(handle, berth_calloc(handle, 1, size), size + size / 2);
    if (plain == NULL || aligned == NULL || grown == NULL) return 1;
    plain[0] = aligned[0] = grown[0] = '\1';
    result->units += 3;
  }
  result->text = berth_malloc(handle, request->input.size + 1);
  if (result->text == NULL) return 1;
  memcpy(result->text, request->input.bytes, request->input.size);
  result->text[request->input.size] = '\0';
  result->units++;
  return 0;
}

void work_free(work_result* result) { result->text = NULL; }
