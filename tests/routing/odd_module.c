/* SPDX-License-Identifier: MIT
 * Copyright (c) the Berth authors
 *
 * Modules that are rarely met, each by a definition of its own.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

void work(void);
void* make(void);
void take(void* block);

void* make(void) { return strdup("a block that another module frees"); }
void take(void* block) { free(realloc(block, 1000)); }
void work(void) { take(make()); }

#ifdef CRASHES
__attribute__((constructor)) static void crash(void) { raise(SIGSEGV); }
#endif

#ifdef FAILS
extern int nobody_has_this;
__attribute__((constructor)) static void call(void) { ++nobody_has_this; }
#endif

#ifdef OPENS
__attribute__((constructor)) static void open_another(void) {
  void* module = dlopen(OPENS, RTLD_NOW);
  if (module == NULL) abort();
  void (*other)(void) = NULL;
  void* symbol = dlsym(module, "work");
  memcpy(&other, &symbol, sizeof(other));
  other();
}
#endif

#ifdef OWN_MALLOC
/* An allocator of its own, which its calls find first or last: the process has another one. */
static char store[1 << 16] __attribute__((aligned(16)));
static size_t used;
void* malloc(size_t size) {
  void* block = store + used;
  used += (size + 31) & ~(size_t)15;
  return used <= sizeof(store) ? block : NULL;
}
void free(void* block) {
  if ((char*)block >= store && (char*)block < store + sizeof(store)) return;
}
#endif
