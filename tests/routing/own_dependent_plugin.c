/* SPDX-License-Identifier: MIT
 * Copyright (c) the Berth authors
 *
 * A plugin with a shared library of its own, which allocates for it.
 */
#include <stddef.h>

void* give(size_t bytes);

__attribute__((visibility("default"))) void* from_library(size_t bytes) {
  void* volatile given = give(bytes);
  return given;
}
