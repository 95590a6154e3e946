// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Who called the C++ run-time, where words on the stack do not tell: return addresses of the program may be what our
// own functions have left there. The unwinder knows; it takes a microsecond and more, and does not allocate.
#include <unwind.h>

#include "host_api/src/routing/caller_map.hpp"
#include "host_api/src/routing/modules.hpp"

namespace berth::routing {

namespace {

constexpr unsigned kDeepest = 64;

struct Search {
  unsigned frames = 0;
  bool in_runtime = false;  // our own functions, which were called from there, are left
  Code found = kNotRouted;
};

_Unwind_Reason_Code look_at_frame(_Unwind_Context* context, void* opaque) {
  auto& search = *static_cast<Search*>(opaque);
  const Code code = callers.find(reinterpret_cast<const void*>(_Unwind_GetIP(context)));
  if (code == kThrough) search.in_runtime = true;
  if (search.in_runtime && code != kThrough && code != kSystem && code != kUnknown) {
    search.found = code;
    return _URC_NORMAL_STOP;
  }
  return ++search.frames < kDeepest ? _URC_NO_REASON : _URC_NORMAL_STOP;
}

// Whether this thread unwinds already: then it is the unwinder that asks for memory.
constinit thread_local bool unwinds = false;

}  // namespace

bool may_be_left_by_us(std::uintptr_t address) noexcept { return address >= own_code.begin && address < own_code.end; }

Code find_nearest_caller() noexcept {
  if (unwinds) return kNotRouted;
  unwinds = true;
  Search search;
  _Unwind_Backtrace(look_at_frame, &search);
  unwinds = false;
  return search.found;
}

}  // namespace berth::routing
