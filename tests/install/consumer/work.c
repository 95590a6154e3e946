/* SPDX-License-Identifier: MIT
 * Copyright (c) the Berth authors
 *
 * Uses the library from whatever it is linked into, and leaves the ledger as it was. */
#include "work.h"

#include <berth/instance.h>
#include <string.h>

static size_t reservations(void) {
  berth_process_statistics statistics = {.struct_size = sizeof(statistics)};
  return berth_process_stats(&statistics) == BERTH_OK ? statistics.reservations : (size_t)-1;
}

int work(void) {
  const size_t before = reservations();
  berth_instance* instance = NULL;
  if (berth_instance_create(NULL, &instance) != BERTH_OK) return 1;
  berth_allocator* allocator = berth_instance_allocator(instance);
  char* block = berth_malloc(allocator, 1000);
  if (block == NULL) return 2;
  memset(block, 1, 1000);
  if (berth_find_owner(block + 500) != instance) return 3;
  if (reservations() == before) return 4;

  berth_instance_report report = {.struct_size = sizeof(report)};
  if (berth_instance_destroy(instance, &report) != BERTH_OK) return 5;
  if (report.live_blocks != 1 || report.live_bytes < 1000) return 6;
  return reservations() == before ? 0 : 7;
}
