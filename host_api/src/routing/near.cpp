// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
#include "host_api/src/routing/near.hpp"

namespace berth::routing {

namespace neighbourhood {
constinit decltype(near) near{};
}

// The handle lies somewhere in the span.
void mark_near(berth_instance* instance, const berth_allocator* handle) noexcept {
  berth_instance_statistics statistics{};
  statistics.struct_size = sizeof(statistics);
  berth_instance_stats(instance, &statistics);
  const auto at = reinterpret_cast<std::uintptr_t>(handle);
  const std::uintptr_t low = at > statistics.span_bytes ? at - statistics.span_bytes : 0;
  for (std::uintptr_t granule = low >> neighbourhood::kNearShift;
       granule <= (at + statistics.span_bytes) >> neighbourhood::kNearShift; ++granule) {
    if (granule / 64 >= neighbourhood::near.size()) break;
    neighbourhood::near[granule / 64].fetch_or(std::uint64_t{1} << (granule % 64), std::memory_order_relaxed);
  }
}

}  // namespace berth::routing
