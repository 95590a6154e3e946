/* SPDX-License-Identifier: MIT
 * Copyright (c) the Berth authors
 *
 * Frees what the C library has allocated for it: where somebody looks, and, by a stream, where nobody does.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#define KEPT __attribute__((visibility("default")))

KEPT struct dirent** entries(const char* folder, int* count) {
  struct dirent** list = NULL;
  *count = scandir(folder, &list, NULL, alphasort);
  return list;
}

KEPT char* word_of(const char* text) {
  char* word = NULL;
  return sscanf(text, "%*d %ms", &word) == 1 ? word : NULL;
}

KEPT size_t written(const char* text) {
  char* buffer = NULL;
  size_t size = 0;
  FILE* stream = open_memstream(&buffer, &size);
  if (stream == NULL) return 0;
  fputs(text, stream);
  fclose(stream);
  free(buffer);
  return size;
}
