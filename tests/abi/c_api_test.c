/* SPDX-License-Identifier: MIT
 * Copyright (c) the Berth authors
 *
 * A C99 program that uses every name of the C headers once, as a host written in C would. Plain checks, no framework:
 * what this file proves first is that a C compiler accepts the headers and a C linker finds the functions. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "layout.h"

static int failures = 0;

#define CHECK(condition)                                                      \
  do {                                                                        \
    if (!(condition)) {                                                       \
      ++failures;                                                             \
      fprintf(stderr, "%s:%d: failed: %s\n", __FILE__, __LINE__, #condition); \
    }                                                                         \
  } while (0)

struct seen {
  berth_misuse_kind kind;
  int misuses;
  int pressures;
  int lines;
  int blocks;
};

static void note_misuse(void* context, const berth_misuse* misuse) {
  struct seen* seen = context;
  seen->kind = (berth_misuse_kind)misuse->kind;
  ++seen->misuses;
}

static bool note_pressure(void* context, berth_instance* instance, size_t needed) {
  struct seen* seen = context;
  CHECK(instance != NULL);
  CHECK(needed > 0);
  ++seen->pressures;
  return false;
}

static void note_line(void* context, const char* line) {
  struct seen* seen = context;
  CHECK(line != NULL && strchr(line, '\n') == NULL);
  ++seen->lines;
}

static bool note_block(void* context, const berth_block* block) {
  struct seen* seen = context;
  CHECK(block->struct_size == sizeof(berth_block));
  CHECK(block->address != NULL && block->usable_size > 0);
  ++seen->blocks;
  return true;
}

static void use_handle(berth_allocator* a) {
  unsigned char* block;
  size_t i;

  CHECK(a->struct_size == sizeof(berth_allocator));
  CHECK(a->abi == BERTH_ALLOCATOR_ABI);

  block = berth_malloc(a, 100);
  CHECK(block != NULL && berth_usable_size(a, block) >= 100 && berth_owns(a, block + 99));
  memset(block, 7, 100);
  block = berth_realloc(a, block, 100000);
  CHECK(block != NULL && block[0] == 7 && block[99] == 7);
  berth_free(a, block);

  block = berth_calloc(a, 10, 30);
  CHECK(block != NULL);
  for (i = 0; i < 300; ++i) CHECK(block[i] == 0);
  berth_free_sized(a, block, 300);

  block = berth_aligned_alloc(a, 4096, 10);
  CHECK(block != NULL && (uintptr_t)block % 4096 == 0);
  berth_free_aligned_sized(a, block, 4096, 10);

  /* The functions themselves, as a plugin's own wrappers would call them. */
  block = a->allocate(a, 1);
  block = a->reallocate(a, block, 64, 640);
  CHECK(block != NULL && (uintptr_t)block % 64 == 0);
  a->deallocate_sized(a, block, 64, 640);
  block = a->allocate_zeroed(a, 1, 1);
  CHECK(a->usable_size(a, block) >= 1 && a->owns(a, block));
  a->deallocate(a, block);
  block = a->allocate_aligned(a, 16, 16);
  CHECK(block != NULL);
  a->deallocate(a, block);
}

static void use_instance(berth_instance* instance, struct seen* seen, int* user_data) {
  berth_allocator* a = berth_instance_allocator(instance);
  berth_instance_statistics statistics = {0};
  berth_process_statistics process = {0};
  char text[256];
  void* block;

  CHECK(a != NULL);
  CHECK(strcmp(berth_instance_name(instance), "c host") == 0);
  CHECK(berth_instance_id(instance) > 0);
  CHECK(berth_instance_user_data(instance) == user_data);
  CHECK(berth_find_owner(a) == instance);
  CHECK(berth_find_owner_id(a) == berth_instance_id(instance));

  CHECK(berth_thread_prepare(instance) == BERTH_OK);
  use_handle(a);

  block = berth_malloc(a, 1000);
  statistics.struct_size = sizeof(statistics);
  CHECK(berth_instance_stats(instance, &statistics) == BERTH_OK);
  CHECK(statistics.live_blocks == 1 && statistics.live_bytes >= 1000 && statistics.threads >= 1);
  CHECK(statistics.committed_bytes > 0 && statistics.committed_bytes <= statistics.peak_committed_bytes);
  CHECK(statistics.peak_committed_bytes <= statistics.quota_bytes);
  CHECK(statistics.span_bytes >= statistics.quota_bytes);
  CHECK(statistics.allocations == statistics.deallocations + 1);
  CHECK(statistics.remote_deallocations == 0 && statistics.failed_allocations == 0);

  process.struct_size = sizeof(process);
  CHECK(berth_process_stats(&process) == BERTH_OK);
  CHECK(process.instances == 1 && process.reservations >= 1);
  CHECK(process.reserved_bytes >= statistics.span_bytes && process.committed_bytes >= statistics.committed_bytes);

  CHECK(berth_instance_visit(instance, note_block, seen) == BERTH_OK);
  CHECK(seen->blocks == 1);
  CHECK(berth_describe(block, text, sizeof(text)) > 0);
  CHECK(strstr(text, "c host") != NULL);
  CHECK(berth_free_if_owned(block));
  CHECK(!berth_free_if_owned(&statistics));

  CHECK(berth_instance_set_quota(instance, 8u << 20) == BERTH_OK);
  errno = 0;
  CHECK(berth_malloc(a, 64u << 20) == NULL && errno == ENOMEM);
  CHECK(seen->pressures > 0);
  berth_free(a, &statistics);
  CHECK(seen->misuses == 1 && seen->kind == BERTH_MISUSE_UNKNOWN_FREE);

  CHECK(berth_current_allocator() == NULL);
  CHECK(berth_set_current_instance(instance) == NULL);
  CHECK(berth_current_allocator() == a);
  CHECK(berth_set_current_instance(NULL) == instance);

  CHECK(berth_instance_purge(instance) == BERTH_OK);
  berth_thread_detach();
}

int main(void) {
  struct seen seen = {(berth_misuse_kind)0, 0, 0, 0, 0};
  int user_data = 0;
  berth_instance* instance = NULL;
  berth_instance_options options = {0};
  berth_instance_report report = {0};
  berth_process_statistics process = {0};
  int status;

  /* A pointer of each handler type, so that the names are used as a caller would write them. */
  berth_misuse_handler on_misuse = note_misuse;
  berth_pressure_handler on_pressure = note_pressure;
  berth_log_handler on_log = note_line;

  berth_set_log(on_log, &seen);
  options.struct_size = sizeof(options);
  options.hardening = BERTH_HARDENING_FAST;
  options.name = "c host";
  options.span_bytes = (size_t)1 << 30;
  options.quota_bytes = (size_t)64 << 20;
  options.on_misuse = on_misuse;
  options.on_misuse_context = &seen;
  options.huge_pages = BERTH_HUGE_PAGES_NEVER;
  options.user_data = &user_data;
  options.on_pressure = on_pressure;
  options.on_pressure_context = &seen;
  CHECK(berth_instance_create(&options, &instance) == BERTH_OK);
  if (instance == NULL) return 1;
  use_instance(instance, &seen, &user_data);

  report.struct_size = sizeof(report);
  CHECK(berth_instance_destroy(instance, &report) == BERTH_OK);
  CHECK(report.live_blocks == 0 && report.live_bytes == 0 && report.returned_bytes >= options.span_bytes);
  CHECK(berth_instance_destroy(instance, NULL) == BERTH_ERR_NOT_FOUND);

  options.flags = BERTH_INSTANCE_NORESERVE;
  CHECK(berth_instance_create(&options, &instance) == BERTH_OK);
  CHECK(berth_instance_destroy(instance, NULL) == BERTH_OK);
  options.flags = 0;
  options.span_bytes = 1;
  CHECK(berth_instance_create(&options, &instance) == BERTH_ERR_INVALID_ARGUMENT && instance == NULL);
  CHECK(seen.lines > 0);
  berth_set_log(NULL, NULL);

  process.struct_size = sizeof(process);
  CHECK(berth_process_stats(&process) == BERTH_OK);
  CHECK(process.instances == 0 && process.reservations == 0 && process.reserved_bytes == 0);
  CHECK(process.committed_bytes == 0);

  for (status = BERTH_OK; status <= BERTH_ERR_DEFERRED; ++status) {
    CHECK(berth_status_string((berth_status)status)[0] != '\0');
  }
  CHECK(strcmp(berth_version(), BERTH_VERSION_STRING) == 0);
  printf("berth %s, headers %d.%d.%d: %d failures\n", berth_version(), BERTH_VERSION_MAJOR, BERTH_VERSION_MINOR,
         BERTH_VERSION_PATCH, failures);
  return failures == 0 ? 0 : 1;
}
