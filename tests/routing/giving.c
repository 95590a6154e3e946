/* SPDX-License-Identifier: MIT
 * Copyright (c) the Berth authors
 *
 * A module whose blocks others free, and one that lists a folder.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

__attribute__((visibility("default"))) void* give(size_t bytes) {
  void* volatile given = malloc(bytes);
  return given;
}

/* Its own blocks, by the function that comes next. */
__attribute__((visibility("default"))) void work(void) {
  void (*next)(void*) = NULL;
  void* symbol = dlsym(RTLD_NEXT, "free");
  memcpy(&next, &symbol, sizeof(next));
  next(give(100));
  struct dirent** list = NULL;
  const int count = scandir("/", &list, NULL, alphasort);
  for (int number = 0; number < count; ++number) free(list[number]);
  free(list);
}
