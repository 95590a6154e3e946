/* SPDX-License-Identifier: MIT
 * Copyright (c) the Berth authors
 *
 * Publishes one instance whose name is hostile to every format, says so in a line, and waits until its input ends. */
#include <stdio.h>

#include "berth/instance.h"

int main(void) {
  berth_instance_options options = {0};
  berth_instance* instance = NULL;
  options.struct_size = sizeof(options);
  options.name = "<script>\"\\\n\xff\x1b[31m";
  options.quota_bytes = 8u << 20;
  if (berth_instance_create(&options, &instance) != BERTH_OK) return 1;
  if (berth_publish_start() != BERTH_OK) return 1;
  for (int i = 0; i < 5; ++i) {
    if (berth_malloc(berth_instance_allocator(instance), 1u << 20) == NULL) return 1;
  }
  berth_publish_now();
  puts("ready");
  fflush(stdout);
  return getchar() == EOF ? 0 : 2;
}
