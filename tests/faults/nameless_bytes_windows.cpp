// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// The regions of Windows have no names; but heaps and stacks were readable and writable from the first.
#include <windows.h>

#include "nameless_bytes.hpp"

namespace berth::tests::faults {

std::size_t nameless_bytes() {
  std::size_t bytes = 0;
  MEMORY_BASIC_INFORMATION region;
  for (const char* at = nullptr; ::VirtualQuery(at, &region, sizeof(region)) != 0;) {
    at = static_cast<const char*>(region.BaseAddress) + region.RegionSize;
    if (region.State == MEM_FREE || region.Type != MEM_PRIVATE) continue;
    if (region.AllocationProtect == PAGE_NOACCESS) bytes += region.RegionSize;
  }
  return bytes;
}

}  // namespace berth::tests::faults
