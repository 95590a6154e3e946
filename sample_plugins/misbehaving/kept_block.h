/* SPDX-License-Identifier: MIT
 * Copyright (c) the Berth authors
 *
 * sample_plugins/misbehaving/kept_block.h: a block that a plugin fills when it is attached and keeps for ever. A module
 * that stays mapped may read it at any time, so that nobody may ever take it away. */
#ifndef BERTH_SAMPLE_KEPT_BLOCK_H
#define BERTH_SAMPLE_KEPT_BLOCK_H

#include <string.h>

#include "misbehaving.h"

enum { kKeptBytes = 100 * 1000 };

typedef struct kept_block {
  berth_allocator* handle;
  unsigned char* bytes;
} kept_block;

static inline unsigned char kept_byte(size_t at) { return (unsigned char)(at * 7 + 1); }

/* As berth_attach does: zero for success. */
static inline int keep_block(kept_block* kept, berth_allocator* allocator) {
  kept->handle = allocator;
  kept->bytes = (unsigned char*)berth_malloc(allocator, kKeptBytes);
  if (kept->bytes == NULL) return 1;
  for (size_t i = 0; i < kKeptBytes; i++) kept->bytes[i] = kept_byte(i);
  return 0;
}

static inline bool kept_block_is_intact(const kept_block* kept) {
  if (!berth_owns(kept->handle, kept->bytes)) return false;
  for (size_t i = 0; i < kKeptBytes; i++) {
    if (kept->bytes[i] != kept_byte(i)) return false;
  }
  return true;
}

/* The work of such a plugin: reads its block. */
static inline int work_on_kept_block(const kept_block* kept, work_result* result) {
  result->units = kKeptBytes;
  result->unit = "bytes kept";
  return kept_block_is_intact(kept) ? 0 : 1;
}

#endif
