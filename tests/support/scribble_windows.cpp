// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// scribble.hpp by a look at each region: what writes for a process, the system's or Wine's, heeds no protection.
#include <windows.h>

#include <algorithm>

#include "scribble.hpp"
// ntsecapi.h wants windows.h before it.
#include <ntsecapi.h>

namespace berth::tests {

void scribble(void* from, std::size_t bytes) {
  auto* at = static_cast<char*>(from);
  char* const end = at + bytes;
  MEMORY_BASIC_INFORMATION region;
  while (at < end && ::VirtualQuery(at, &region, sizeof(region)) != 0) {
    char* const next = std::min(static_cast<char*>(region.BaseAddress) + region.RegionSize, end);
    if (region.State == MEM_COMMIT && region.Protect == PAGE_READWRITE) {
      ::RtlGenRandom(at, static_cast<ULONG>(next - at));
    }
    at = next;
  }
}

}  // namespace berth::tests
