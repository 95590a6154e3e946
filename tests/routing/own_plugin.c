/* SPDX-License-Identifier: MIT
 * Copyright (c) the Berth authors
 *
 * A plugin that never heard of Berth, with what plugins do to memory, each by name.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if defined(__clang__)
#define KEPT __attribute__((visibility("default"), optnone))
#else
#define KEPT __attribute__((visibility("default"), optimize("no-optimize-sibling-calls")))
#endif

static void* volatile constructed;
static void* volatile forgotten[64];

__attribute__((constructor)) static void construct(void) { constructed = malloc(1000); }
__attribute__((destructor)) static void destroy(void) { free(constructed); }

KEPT void* constructed_block(void) { return constructed; }

KEPT void leak(unsigned blocks, size_t bytes) {
  for (unsigned number = 0; number < blocks; ++number) {
    void* block = malloc(bytes);
    memset(block, 7, bytes);
    forgotten[number % 64] = block;
  }
}

KEPT void* give(size_t bytes) {
  void* volatile block = malloc(bytes);
  return block;
}
KEPT void take(void* block) { free(block); }

KEPT void free_twice(void) {
  void* volatile block = malloc(100);
  free(block);
  free(block);
}

/* So much behind what it has asked for. */
KEPT void overrun(size_t bytes, size_t beyond) {
  char* volatile block = malloc(bytes);
  for (size_t number = 0; number < beyond; ++number) block[bytes + number] = 7;
  free(block);
}
KEPT void free_inside(void) {
  char* volatile block = malloc(100);
  free(block + 16);
  free(block);
}

KEPT char* copy(const char* text) {
  char* volatile copied = strdup(text);
  return copied;
}
KEPT char* read_line(const char* path) {
  char* line = NULL;
  size_t size = 0;
  FILE* file = fopen(path, "r");
  if (file == NULL) return NULL;
  if (getline(&line, &size, file) < 0) line = NULL;
  fclose(file);
  return line;
}
KEPT void* aligned(size_t alignment, size_t bytes) {
  void* block = NULL;
  return posix_memalign(&block, alignment, bytes) == 0 ? block : NULL;
}
KEPT void* resize(void* block, size_t bytes) {
  void* volatile moved = realloc(block, bytes);
  return moved;
}
KEPT char* print(int number) {
  char* text = NULL;
  return asprintf(&text, "number %d", number) < 0 ? NULL : text;
}

/* Until NULL comes: how many bytes there were, and errno. Frees them all. */
KEPT size_t fill(size_t bytes, int* error) {
  void** first = NULL;
  size_t all = 0;
  for (;;) {
    errno = 0;
    void** block = malloc(bytes);
    if (block == NULL) break;
    *block = first;
    first = block;
    all += bytes;
  }
  *error = errno;
  while (first != NULL) {
    void** next = *first;
    free(first);
    first = next;
  }
  return all;
}

static void* churn(void* rounds) {
  for (uintptr_t round = 0; round < (uintptr_t)rounds; ++round) {
    void* volatile block = malloc(16 + round % 500);
    if (block == NULL) return NULL;
    free(block);
  }
  void* volatile last = malloc(48);
  return last;
}
/* The threads' last blocks are what is returned, freed by this one. */
KEPT int run_threads(unsigned rounds) {
  pthread_t threads[4];
  for (int number = 0; number < 4; ++number) {
    if (pthread_create(&threads[number], NULL, churn, (void*)(uintptr_t)rounds) != 0) return 0;
  }
  int good = 0;
  for (int number = 0; number < 4; ++number) {
    void* last = NULL;
    pthread_join(threads[number], &last);
    good += last != NULL;
    free(last);
  }
  return good;
}

/* It stays in the process until this is closed. */
KEPT void* hold_itself(void) {
  Dl_info info;
  return dladdr((void*)(uintptr_t)&hold_itself, &info) != 0 ? dlopen(info.dli_fname, RTLD_NOW) : NULL;
}
