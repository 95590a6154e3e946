/* SPDX-License-Identifier: MIT
 * Copyright (c) the Berth authors
 *
 * A plugin as a user of the sample host would write it: counts the lines of its input that contain the argument. */
#include <stdio.h>
#include <string.h>

#include "work.h"

BERTH_PLUGIN("line counter");

static berth_allocator* handle;

int berth_attach(berth_allocator* allocator) {
  handle = allocator;
  return 0;
}

int work(const work_request* request, work_result* result) {
  enum { kText = 200 };
  const char* wanted = request->argument.bytes != NULL ? request->argument.bytes : "";
  char* copy = berth_malloc(handle, request->input.size + 1); /* zero-terminated lines */
  result->text = berth_malloc(handle, kText);
  if (copy == NULL || result->text == NULL) return 1;
  memcpy(copy, request->input.bytes, request->input.size + 1);
  for (char* line = copy; *line != '\0';) {
    char* stop = line + strcspn(line, "\n");
    const bool last = *stop == '\0';
    *stop = '\0';
    if (strstr(line, wanted) != NULL) result->units++;
    line = last ? stop : stop + 1;
  }
  berth_free(handle, copy);
  result->unit = "lines";
  snprintf(result->text, kText, "%llu lines contain \"%s\"", (unsigned long long)result->units, wanted);
  return 0;
}

void work_free(work_result* result) { berth_free(handle, result->text); }
