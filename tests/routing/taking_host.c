/* SPDX-License-Identifier: MIT
 * Copyright (c) the Berth authors
 *
 * Takes a block of a module, keeps it where it was told to, and closes the module. Tells then whether the block is
 * still there; frees it, if it was told to, and tells again. The address stands nowhere else: it is handed around as
 * its complement.
 *
 *   taking_host PLACE free|drop|leave MODULE OTHER_MODULE
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <search.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define NOINLINE __attribute__((noinline))

typedef void* (*maker)(void);
typedef void (*putter)(void*);

void* registry[8]; /* a global of the program */
static void** structure;
static void* tree;
static FILE* stream;
static pthread_key_t key;
static int channel[2];
static int ready[2];
static uintptr_t for_thread;
static void** shared;

static void* symbol(void* module, const char* name) { return dlsym(module, name); }

static NOINLINE void wipe(void) {
  volatile char below[16384];
  for (size_t i = 0; i < sizeof(below); ++i) below[i] = 0;
}

static NOINLINE uintptr_t take(void* module) {
  maker make;
  void* address = symbol(module, "make");
  memcpy(&make, &address, sizeof(make));
  return ~(uintptr_t)make();
}

static int compare(const void* one, const void* other) { return one < other ? -1 : one > other; }

static NOINLINE void wait_with(void* volatile block) {
  char byte = 0;
  if (write(ready[1], "r", 1) != 1 || read(channel[0], &byte, 1) != 1) abort();
  if (byte == 'f') free(block);
}

static void* run(void* unused) {
  (void)unused;
  pthread_setname_np(pthread_self(), "audio");
  wait_with((void*)~for_thread);
  return NULL;
}

static NOINLINE void keep(const char* place, uintptr_t hidden, void* other) {
  void* block = (void*)~hidden;
  if (strcmp(place, "global") == 0) registry[3] = block;
  if (strcmp(place, "interior") == 0) registry[3] = (char*)block + 1000;
  if (strcmp(place, "heap") == 0) (structure = calloc(4, sizeof(void*)))[1] = block;
  if (strcmp(place, "setvbuf") == 0) setvbuf(stream, block, _IOFBF, 4096);
  if (strcmp(place, "putenv") == 0) putenv(block);
  if (strcmp(place, "tsearch") == 0) tsearch(block, &tree, compare);
  if (strcmp(place, "key") == 0) pthread_setspecific(key, block);
  if (strcmp(place, "shared") == 0) shared[7] = block;
  if (strcmp(place, "plugin") == 0) {
    putter put;
    void* address = symbol(other, "put");
    memcpy(&put, &address, sizeof(put));
    put(block);
  }
}

/* Whether the address is in memory that can be written to. */
static NOINLINE const char* state(uintptr_t hidden) {
  const uintptr_t address = ~hidden;
  FILE* maps = fopen("/proc/self/maps", "r");
  static char line[4096];
  const char* found = "gone";
  while (fgets(line, sizeof(line), maps) != NULL) {
    unsigned long begin = 0, end = 0;
    char access[5] = "";
    if (sscanf(line, "%lx-%lx %4s", &begin, &end, access) == 3 && address >= begin && address < end &&
        access[1] == 'w') {
      found = "there";
    }
  }
  fclose(maps);
  return found;
}

static NOINLINE const char* content(uintptr_t hidden) {
  return strcmp((char*)~hidden, "GIVEN=by a plugin") == 0 ? "whole" : "spoilt";
}
static NOINLINE void let_go(uintptr_t hidden) { free((void*)~hidden); }

int main(int count, char** arguments) {
  if (count != 5) return 2;
  const char* place = arguments[1];
  const char* then = arguments[2];
  void* other = dlopen(arguments[4], RTLD_NOW);
  void* module = dlopen(arguments[3], RTLD_NOW);
  if (module == NULL || other == NULL) return 3;
  pthread_key_create(&key, NULL);
  stream = fopen("/dev/null", "w");
  shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  const uintptr_t hidden = take(module);
  const int in_thread = strcmp(place, "thread") == 0;
  pthread_t thread;
  if (in_thread) {
    if (pipe(channel) != 0 || pipe(ready) != 0) return 4;
    for_thread = hidden;
    pthread_create(&thread, NULL, run, NULL);
    char byte;
    if (read(ready[0], &byte, 1) != 1) return 4;
  }
  keep(place, hidden, other);
  wipe();
  dlclose(module);
  printf("%s", state(hidden));
  if (strcmp(state(hidden), "there") == 0) printf(" %s", content(hidden));
  wipe();
  if (strcmp(then, "free") == 0) {
    if (in_thread) {
      if (write(channel[1], "f", 1) != 1) return 4;
      pthread_join(thread, NULL);
      /* What it had in hand when it looked may have led to the block: the next unload looks again. */
      if (strcmp(state(hidden), "there") == 0) {
        wipe();
        dlclose(other);
      }
    } else {
      memset(registry, 0, sizeof(registry));
      if (structure != NULL) structure[1] = NULL;
      let_go(hidden);
    }
    printf(" %s", state(hidden));
  }
  if (strcmp(then, "drop") == 0) { /* forgotten by the host too; a later unload finds that */
    memset(registry, 0, sizeof(registry));
    wipe();
    dlclose(other);
    printf(" %s", state(hidden));
  }
  puts("");
  return 0;
}
