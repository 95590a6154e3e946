/* SPDX-License-Identifier: MIT
 * Copyright (c) the Berth authors
 *
 * A host that allocates and opens a module before any constructor has run, of whatever library.
 */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void* module;
static char* block;

static void begin(int count, char** arguments, char** environment) {
  (void)environment;
  block = malloc(100);
  if (block == NULL || count != 2) return;
  strcpy(block, "allocated early");
  module = dlopen(arguments[1], RTLD_NOW);
  void (*work)(void) = NULL;
  void* symbol = module != NULL ? dlsym(module, "work") : NULL;
  memcpy(&work, &symbol, sizeof(work));
  if (work != NULL) work();
}
__attribute__((section(".preinit_array"), used)) static void (*const first)(int, char**, char**) = begin;

int main(void) {
  if (module == NULL) return 3;
  puts(block);
  free(block);
  return dlclose(module);
}
