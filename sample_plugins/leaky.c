/* SPDX-License-Identifier: MIT
 * Copyright (c) the Berth authors
 *
 * leaky: copies every line of a text into a block of its own and forgets them all. What the C library would keep for
 * the rest of the process goes back with the instance, and the host learns how many blocks it was. */
#include <string.h>

#include "work.h"

BERTH_PLUGIN("leaky");

static berth_allocator* handle;

int berth_attach(berth_allocator* allocator) {
  handle = allocator;
  return 0;
}

void berth_detach(void) { handle = NULL; }

int work(const work_request* request, work_result* result) {
  const char* line = request->input.bytes;
  const char* const end = line + request->input.size;
  result->unit = "blocks forgotten";
  while (line < end) {
    const char* stop = memchr(line, '\n', (size_t)(end - line));
    const size_t length = (size_t)((stop != NULL ? stop : end) - line);
    char* copy = berth_malloc(handle, length + 1);
    if (copy == NULL) return 1;
    memcpy(copy, line, length);
    copy[length] = '\0';
    result->units++;
    line += length + 1;
  }
  return 0;
}

void work_free(work_result* result) { berth_free(handle, result->text); }
