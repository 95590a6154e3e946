/* SPDX-License-Identifier: MIT
 * Copyright (c) the Berth authors
 *
 * A host in C with its own loader: opens each module named, calls `work` in it and closes it, many times. */
#include <berth/instance.h>
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

#include "work.h"

static int run(const char* path) {
  void* module = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (module == NULL) return fprintf(stderr, "%s\n", dlerror());
  int (*function)(void);
  *(void**)&function = dlsym(module, "work");
  const int status = function != NULL ? function() : 100;
  if (dlclose(module) != 0 || status != 0) return fprintf(stderr, "%s: work answers %d\n", path, status);
  if (dlopen(path, RTLD_NOW | RTLD_NOLOAD) != NULL) return fprintf(stderr, "%s: still mapped\n", path);
  return 0;
}

int main(int argc, char** argv) {
  if (strcmp(berth_version(), BERTH_VERSION_STRING) != 0) return 2;
  for (int round = 0; round < 100; ++round) {
    for (int i = 1; i < argc; ++i) {
      if (run(argv[i]) != 0) return 1;
    }
  }
  return work() == 0 ? 0 : 3;
}
