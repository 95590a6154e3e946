// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
#define WIN32_LEAN_AND_MEAN
#include <windows.h>

#include "host_api/src/unwinding/unwinder.hpp"

namespace berth::unwinding {

void leave_out(std::uintptr_t, std::uintptr_t) noexcept {}
void ask_scheduler() noexcept {}

// The system follows its own tables, which every module of this architecture has.
unsigned walk(const void* caller, const void** frames, unsigned most) noexcept {
  constexpr ULONG kMostOfOwn = 16;  // frames of the library, before that of its caller
  constexpr ULONG kMost = 64;
  void* all[kMost];
  const ULONG wanted = most + kMostOfOwn < kMost ? most + kMostOfOwn : kMost;
  const unsigned count = RtlCaptureStackBackTrace(0, wanted, all, nullptr);
  unsigned first = 0;
  while (first < count && all[first] != caller) ++first;
  if (first == count && caller != nullptr) {
    frames[0] = caller;
    return 1;
  }
  if (first == count) first = 0;
  unsigned depth = 0;
  while (first < count && depth < most) frames[depth++] = all[first++];
  return depth;
}

}  // namespace berth::unwinding
