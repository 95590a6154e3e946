// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// throws from attach: after it has allocated. The load is refused with what it said, and its block goes with the
// instance.
#include <stdexcept>

#include "work.h"

BERTH_PLUGIN("throws from attach");

int berth_attach(berth_allocator* allocator) {
  berth_malloc(allocator, 1000);
  throw std::runtime_error("no licence for this machine");
}

int work(const work_request* request, work_result* result) {
  (void)request;
  (void)result;
  return 1;
}

void work_free(work_result* result) { (void)result; }
