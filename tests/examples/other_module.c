/* SPDX-License-Identifier: MIT
 * Copyright (c) the Berth authors
 *
 * Another module for examples/server_module: it says a request back, and one request it does not survive. */
#include <berth/plugin.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "examples/server_module/handler.h"

BERTH_PLUGIN("other");

BERTH_PLUGIN_EXPORT bool handle(const char* request, char* reply, size_t size) {
  if (strcmp(request, "crash") == 0) abort();
  return snprintf(reply, size, "other: %s", request) > 0;
}
