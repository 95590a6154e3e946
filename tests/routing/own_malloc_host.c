/* SPDX-License-Identifier: MIT
 * Copyright (c) the Berth authors
 *
 * A host whose executable has a malloc of its own, which every module finds first.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

static char store[1 << 20] __attribute__((aligned(16)));
static size_t used;
void* malloc(size_t size);
void* calloc(size_t count, size_t size);
void* realloc(void* block, size_t size);
void free(void* block);

void* malloc(size_t size) {
  char* block = store + used + 16;
  used += ((size + 15) & ~(size_t)15) + 16;
  if (used > sizeof(store)) return NULL;
  memcpy(block - 16, &size, sizeof(size));
  return block;
}
void* calloc(size_t count, size_t size) { return malloc(count * size); }
void* realloc(void* block, size_t size) {
  size_t before = 0;
  void* moved = malloc(size);
  if (block == NULL || moved == NULL) return moved;
  memcpy(&before, (char*)block - 16, sizeof(before));
  return memcpy(moved, block, before < size ? before : size);
}
void free(void* block) { (void)block; }

int main(int count, char** arguments) {
  for (int number = 1; number < count; ++number) {
    void* module = dlopen(arguments[number], RTLD_NOW);
    void (*work)(void) = NULL;
    void* symbol = module != NULL ? dlsym(module, "work") : NULL;
    memcpy(&work, &symbol, sizeof(work));
    if (work == NULL) return 3;
    work();
  }
  puts("done");
  return 0;
}
