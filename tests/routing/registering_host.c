/* SPDX-License-Identifier: MIT
 * Copyright (c) the Berth authors
 *
 * A host with a list of functions that plugins ask it to call later, and a place for an object of theirs.
 *   registering_host WHAT MODULE... */
#include <dlfcn.h>
#include <stdio.h>

typedef void (*function)(void);

__attribute__((visibility("default"))) function at_event[8];
__attribute__((visibility("default"))) void* object;
__attribute__((visibility("default"))) void host_register(unsigned place, function what);
void host_register(unsigned place, function what) { at_event[place] = what; }

int main(int count, char** arguments) {
  for (int number = 2; number < count; ++number) {
    void* module = dlopen(arguments[number], RTLD_NOW);
    if (module == NULL) return 3;
    void* (*start)(const char*);
    *(void**)&start = dlsym(module, "start");
    if (start == NULL) return 4;
    object = start(arguments[1]);
    if (dlclose(module) != 0) return 5;
  }
  puts("done");
  return 0;
}
