// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// keeps a thread_local: one with a destructor, in every thread that calls it. The system's loader keeps the module
// until the last of these threads has ended, and the destructor frees into the instance then. Its end is the threads'
// end.
#include <cstring>

#include "work.h"

BERTH_PLUGIN("keeps a thread_local");

namespace {

berth_allocator* handle = nullptr;

// The calling thread's copy of the last input.
struct LastInput {
  char* bytes = nullptr;
  std::size_t size = 0;

  ~LastInput() { berth_free(handle, bytes); }
  bool keep(const work_bytes& input) {
    auto* grown = static_cast<char*>(berth_realloc(handle, bytes, input.size));
    if (grown == nullptr) return false;
    bytes = grown;
    size = input.size;
    std::memcpy(bytes, input.bytes, size);
    return true;
  }
};

thread_local LastInput last_input;

}  // namespace

int berth_attach(berth_allocator* allocator) {
  handle = allocator;
  return 0;
}

int work(const work_request* request, work_result* result) {
  if (!last_input.keep(request->input)) return 1;
  result->units = last_input.size;
  result->unit = "bytes remembered";
  return 0;
}

void work_free(work_result* result) { berth_free(handle, result->text); }
