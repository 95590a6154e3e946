/* SPDX-License-Identifier: MIT
 * Copyright (c) the Berth authors
 *
 * A plugin whose work never ends: what a deadlock looks like to the host. */
#include <unistd.h>

#include "work.h"

BERTH_PLUGIN("hanging");

int work(const work_request* request, work_result* result) {
  (void)request;
  (void)result;
  for (;;) pause();
}

void work_free(work_result* result) { (void)result; }
