/* SPDX-License-Identifier: MIT
 * Copyright (c) the Berth authors
 *
 * Leaves eight blocks of 100 bytes behind each time, resizes and frees in every way, and asks the C library for a copy.
 */
#include <stdlib.h>
#include <string.h>

void work(void);

static void* volatile kept[10];

__attribute__((constructor)) static void construct(void) { free(malloc(64)); }

void work(void) {
  for (int number = 0; number < 10; ++number) kept[number] = malloc(100);
  free(kept[0]);
  char* copied = strdup("a copy of the caller's");
  free(copied);
  kept[1] = realloc(kept[1], 5000);
  kept[1] = realloc(kept[1], 100);
  void* none = realloc(kept[2], 0); /* frees, as with glibc */
  if (none != NULL) abort();
}
