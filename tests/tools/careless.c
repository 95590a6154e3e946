/* SPDX-License-Identifier: MIT
 * Copyright (c) the Berth authors
 *
 * A careless plugin: one mistake with its blocks a function, for the tools that are to see it.
 */
#include <string.h>

#include "berth/plugin.h"

BERTH_PLUGIN("careless")

static berth_allocator* memory;

BERTH_PLUGIN_EXPORT int berth_attach(berth_allocator* allocator) {
  memory = allocator;
  return 0;
}

BERTH_PLUGIN_EXPORT void write_behind_small(void) {
  volatile char* text = berth_malloc(memory, 21);
  text[21] = 'x';
}

/* Its class has just this size, and what lies behind it is another block. */
BERTH_PLUGIN_EXPORT void write_behind_whole_class(void) {
  char* texts[8];
  for (int i = 0; i < 8; ++i) texts[i] = berth_malloc(memory, 64);
  for (int i = 0; i < 8; ++i) ((volatile char*)texts[i])[64] = 'x';
}

BERTH_PLUGIN_EXPORT void write_behind_large(void) {
  volatile char* text = berth_malloc(memory, 100001);
  text[100001] = 'x';
}

BERTH_PLUGIN_EXPORT void write_behind_resized(void) {
  volatile char* text = berth_realloc(memory, berth_malloc(memory, 30), 25);
  text[25] = 'x';
}

BERTH_PLUGIN_EXPORT void write_to_freed_small(void) {
  volatile char* text = berth_malloc(memory, 64);
  berth_free(memory, (void*)text);
  text[0] = 'x';
}

BERTH_PLUGIN_EXPORT void write_to_freed_large(void) {
  volatile char* text = berth_malloc(memory, 100000);
  berth_free(memory, (void*)text);
  text[50000] = 'x';
}

BERTH_PLUGIN_EXPORT void write_to_freed_by_resize(void) {
  volatile char* text = berth_malloc(memory, 64);
  if (berth_realloc(memory, (void*)text, 6400) != NULL) text[8] = 'x';
}

static volatile int seen;

BERTH_PLUGIN_EXPORT void read_what_nobody_wrote(void) {
  const volatile char* text = berth_malloc(memory, 64);
  memset((void*)text, 0, 20);
  if (text[19] == 0) ++seen;
  if (text[20] == 0) ++seen;
}

/* The same when the block was another one before, or grew. */
BERTH_PLUGIN_EXPORT void read_what_nobody_wrote_again(void) {
  char* text = memset(berth_malloc(memory, 20), 1, 20);
  text = berth_realloc(memory, text, 30);
  if (((volatile char*)text)[19] == 1) ++seen;
  if (((volatile char*)text)[20] == 0) ++seen;
}

BERTH_PLUGIN_EXPORT void lose_block(void) { memset(berth_malloc(memory, 777), 1, 777); }

/* Memory of another allocator, to which only a block points. */
static void** volatile kept;
BERTH_PLUGIN_EXPORT void keep_in_block(void* other) {
  kept = berth_malloc(memory, sizeof(void*));
  *kept = other;
}

/* Everything that a careful plugin may do; the tools are to keep quiet. */
BERTH_PLUGIN_EXPORT void write_what_is_there(void) {
  for (size_t size = 0; size < 200000; size += 1 + size / 7) {
    char* text = size % 3 == 0 ? berth_realloc(memory, NULL, size) : berth_malloc(memory, size);
    memset(text, 1, size);
    char* zero = berth_calloc(memory, 3, size);
    for (size_t i = 0; i < 3 * size; ++i) {
      if (zero[i] != 0) ++seen;
    }
    memset(zero, 1, 3 * size);
    text = berth_realloc(memory, text, size + size / 2 + 1);
    memset(text + size, 2, size / 2 + 1);
    memset(text, 3, berth_usable_size(memory, text));
    if (text[size / 2] != 3) ++seen;
    char* aligned = berth_aligned_alloc(memory, 256, size);
    memset(aligned, 1, size);
    berth_free(memory, text);
    berth_free_aligned_sized(memory, aligned, 256, size);
    if (size % 2 == 0) berth_free_sized(memory, zero, 3 * size);
  }
}
