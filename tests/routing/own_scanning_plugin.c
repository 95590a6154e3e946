/* SPDX-License-Identifier: MIT
 * Copyright (c) the Berth authors
 *
 * Frees what the C library has allocated for it where nobody looks.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <stdlib.h>

__attribute__((visibility("default"))) int entries(const char* folder) {
  struct dirent** list = NULL;
  const int count = scandir(folder, &list, NULL, alphasort);
  for (int number = 0; number < count; ++number) free(list[number]);
  free(list);
  return count;
}
