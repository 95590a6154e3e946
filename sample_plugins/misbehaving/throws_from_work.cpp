// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// throws from its work: an exception of the standard library, in the middle of things, so that a block is forgotten.
// The host is to catch it; the plugin can be called again and unloaded.
#include <stdexcept>
#include <string>

#include "work.h"

BERTH_PLUGIN("throws from its work");

namespace {
berth_allocator* handle = nullptr;
}

int berth_attach(berth_allocator* allocator) {
  handle = allocator;
  return 0;
}

int work(const work_request* request, work_result* result) {
  result->unit = "exceptions";
  result->units = 1;
  if (berth_malloc(handle, request->input.size) == nullptr) return 1;
  throw std::runtime_error("cannot work on " + std::to_string(request->input.size) + " bytes");
}

void work_free(work_result* result) { berth_free(handle, result->text); }
