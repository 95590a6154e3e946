/* SPDX-License-Identifier: MIT
 * Copyright (c) the Berth authors
 *
 * An allocator behind Berth, preloaded, that serves as the C library does and finds out by unwinding the whole stack
 * what code of a module that was opened later has allocated: all that reaches it has passed Berth by. C++ run-times and
 * Berth itself are looked through; what the C library allocates for itself is its own. At the end it says how much that
 * was.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unwind.h>

extern void* __libc_malloc(size_t);
extern void* __libc_calloc(size_t, size_t);
extern void* __libc_realloc(void*, size_t);
extern void* __libc_memalign(size_t, size_t);

enum { MOST = 128 };
static const struct link_map* at_start[MOST];
static int started;
static size_t bytes, blocks; /* atomic */
static const char* example;
/* Asked for inside malloc: the loader may not be asked where it is, which would ask malloc. */
static __attribute__((tls_model("initial-exec"))) _Thread_local int looks;

__attribute__((constructor)) static void begin(void) {
  int count = 0;
  for (const struct link_map* map = _r_debug.r_map; map != NULL && count < MOST; map = map->l_next) {
    at_start[count++] = map;
  }
  __atomic_store_n(&started, 1, __ATOMIC_RELEASE);
}

static int is_looked_through(const char* path) {
  static const char* const kNames[] = {"libberth-run", "libberth-audit", "unrouted.so",
                                       "libstdc++",    "libgcc_s",       "libc++"};
  for (size_t number = 0; number < sizeof(kNames) / sizeof(kNames[0]); ++number) {
    if (strstr(path, kNames[number]) != NULL) return 1;
  }
  return 0;
}

static _Unwind_Reason_Code look_at(struct _Unwind_Context* context, void* opaque) {
  struct dl_find_object found;
  if (_dl_find_object((void*)(_Unwind_GetIP(context) - 1), &found) != 0) return _URC_NO_REASON;
  const struct link_map* map = found.dlfo_link_map;
  if (map == NULL || is_looked_through(map->l_name)) return _URC_NO_REASON;
  *(const struct link_map**)opaque = map;
  return _URC_END_OF_STACK;
}

static void note(size_t size) {
  if (!__atomic_load_n(&started, __ATOMIC_ACQUIRE) || looks) return;
  looks = 1;
  const struct link_map* caller = NULL;
  _Unwind_Backtrace(look_at, &caller);
  int is_later = caller != NULL;
  for (int number = 0; number < MOST && is_later; ++number) is_later = at_start[number] != caller;
  if (is_later && strstr(caller->l_name, "libc.so") == NULL) {
    __atomic_fetch_add(&bytes, size, __ATOMIC_RELAXED);
    if (__atomic_fetch_add(&blocks, 1, __ATOMIC_RELAXED) == 0) {
      static char name[256];
      strncpy(name, caller->l_name, sizeof(name) - 1);
      example = name;
    }
  }
  looks = 0;
}

void* malloc(size_t size) {
  note(size);
  return __libc_malloc(size);
}
void* calloc(size_t count, size_t size) {
  note(count * size);
  return __libc_calloc(count, size);
}
void* realloc(void* block, size_t size) {
  note(size);
  return __libc_realloc(block, size);
}
void* memalign(size_t alignment, size_t size) {
  note(size);
  return __libc_memalign(alignment, size);
}
void* aligned_alloc(size_t alignment, size_t size) {
  note(size);
  return __libc_memalign(alignment, size);
}
int posix_memalign(void** out, size_t alignment, size_t size) {
  note(size);
  void* block = __libc_memalign(alignment, size);
  if (block == NULL) return ENOMEM;
  *out = block;
  return 0;
}

__attribute__((destructor)) static void end(void) {
  fprintf(stderr, "unrouted: %zu bytes in %zu blocks, the first by %s\n", bytes, blocks,
          example != NULL ? example : "nobody");
}
