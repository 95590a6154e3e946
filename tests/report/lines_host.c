/* SPDX-License-Identifier: MIT
 * Copyright (c) the Berth authors
 *
 * A host that holds a block of each way that a handle has to allocate, and writes its snapshot to the file that it is
 * told, and to a second one its profile for google-pprof. */
#include <stdbool.h>
#include <stdio.h>

#include "berth/instance.h"

/* Written behind each call, so that none is the last thing that its function does. */
static volatile int done;

__attribute__((noinline)) static void by_malloc(berth_allocator* handle) {
  berth_malloc(handle, 1000); /* line of by_malloc */
  done = 1;
}
__attribute__((noinline)) static void by_calloc(berth_allocator* handle) {
  berth_calloc(handle, 10, 200); /* line of by_calloc */
  done = 2;
}
__attribute__((noinline)) static void by_realloc(berth_allocator* handle) {
  void* block = berth_malloc(handle, 10);
  berth_realloc(handle, block, 3000); /* line of by_realloc */
  done = 3;
}
__attribute__((noinline)) static void by_aligned(berth_allocator* handle) {
  berth_aligned_alloc(handle, 64, 4096); /* line of by_aligned */
  done = 4;
}

static bool put(void* file, const char* bytes, size_t size) { return fwrite(bytes, 1, size, file) == size; }

int main(int count, char** arguments) {
  berth_instance_options options = {0};
  options.struct_size = sizeof(options);
  options.name = "holds";
  options.sample_bytes = 1;
  berth_instance* instance = NULL;
  if (count < 2 || berth_instance_create(&options, &instance) != BERTH_OK) return 1;
  berth_allocator* handle = berth_instance_allocator(instance);
  by_malloc(handle);
  by_calloc(handle);
  by_realloc(handle);
  by_aligned(handle);
  FILE* file = fopen(arguments[1], "wb");
  if (file == NULL || berth_snapshot_json(put, file) != BERTH_OK) return 2;
  if (fclose(file) != 0) return 3;
  if (count < 3) return 0;
  file = fopen(arguments[2], "wb");
  if (file == NULL || berth_instance_write_profile(instance, BERTH_PROFILE_GPERFTOOLS, put, file) != BERTH_OK) return 4;
  return fclose(file) == 0 ? 0 : 5;
}
