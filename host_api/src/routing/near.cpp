// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
#include "host_api/src/routing/near.hpp"

#include <array>
#include <atomic>
#include <cstdint>

namespace berth::routing {

namespace {

// Gibibytes in which instances lie or lay; bits are only set, by who makes an instance, read by frees (relaxed: a block
// reaches whoever frees it by a way that orders it).
constexpr unsigned kNearShift = 30;
constinit std::array<std::atomic<std::uint64_t>, (std::size_t{1} << (47 - kNearShift)) / 64> near{};

}  // namespace

// The handle lies somewhere in the span.
void mark_near(berth_instance* instance, const berth_allocator* handle) noexcept {
  berth_instance_statistics statistics{};
  statistics.struct_size = sizeof(statistics);
  berth_instance_stats(instance, &statistics);
  const auto at = reinterpret_cast<std::uintptr_t>(handle);
  const std::uintptr_t low = at > statistics.span_bytes ? at - statistics.span_bytes : 0;
  for (std::uintptr_t granule = low >> kNearShift; granule <= (at + statistics.span_bytes) >> kNearShift; ++granule) {
    if (granule / 64 >= near.size()) break;
    near[granule / 64].fetch_or(std::uint64_t{1} << (granule % 64), std::memory_order_relaxed);
  }
}

bool near_instances(const void* address) noexcept {
  const std::uintptr_t granule = reinterpret_cast<std::uintptr_t>(address) >> kNearShift;
  if (granule / 64 >= near.size()) return false;
  return (near[granule / 64].load(std::memory_order_relaxed) >> (granule % 64) & 1) != 0;
}

}  // namespace berth::routing
