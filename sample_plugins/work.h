/* SPDX-License-Identifier: MIT
 * Copyright (c) the Berth authors
 *
 * sample_plugins/work.h: how the sample host gives a plugin work. A plugin that exports the two functions below can be
 * run with `sample_host run ./mine.so --input FILE`. C99, header only; it is an example of a host's own interface and
 * no part of Berth. */
#ifndef BERTH_SAMPLE_WORK_H
#define BERTH_SAMPLE_WORK_H

#include "berth/plugin.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A named piece of data. It belongs to the host and is valid during the call. */
typedef struct work_bytes {
  const char* name;  /* where it comes from, for messages: a file's name */
  const char* bytes; /* NULL: not given. Else `size` bytes, and a zero byte after them */
  size_t size;
} work_bytes;

typedef struct work_request {
  uint32_t struct_size; /* sizeof(work_request) as the host was built */
  uint32_t reserved;    /* zero */
  work_bytes input;     /* what to work on */
  work_bytes argument;  /* how: a script, queries; may not be given */
} work_request;

/* The host passes it zeroed but for struct_size. */
typedef struct work_result {
  uint32_t struct_size; /* sizeof(work_result) as the host was built */
  uint32_t reserved;
  char* text;       /* zero-terminated and the plugin's own: what came out, or what went wrong; NULL: nothing to say */
  uint64_t units;   /* how much was done, of what the next field names; the host adds it up */
  const char* unit; /* e.g. "words"; a string constant of the plugin */
} work_result;

/* Does one piece of work. Zero for success; otherwise result->text says what was wrong, and the plugin can be called
 * again. The host calls it from several threads at the same time, between berth_attach and berth_detach. */
BERTH_PLUGIN_EXPORT int work(const work_request* request, work_result* result);

/* Takes a result back, after success and failure alike, on any thread: frees result->text. */
BERTH_PLUGIN_EXPORT void work_free(work_result* result);

#ifdef __cplusplus
}
#endif

#endif
