/* SPDX-License-Identifier: MIT
 * Copyright (c) the Berth authors
 *
 * Hands a block to its host, and forgets another one that points to it; and keeps what it is given, in a block. */
#include <stdlib.h>
#include <string.h>

void* make(void);
void put(void* block);
extern void** kept;

static void** volatile forgotten;
void** kept;

void* make(void) {
  char* block = malloc(4096);
  strcpy(block, "GIVEN=by a plugin");
  forgotten = malloc(64);
  forgotten[1] = block;
  return block;
}

void put(void* block) {
  if (kept == NULL) kept = calloc(8, sizeof(void*));
  kept[3] = block;
}
