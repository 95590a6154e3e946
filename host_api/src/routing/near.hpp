// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Near: the neighbourhoods in which instances of modules lie or lay, so that a free of anything else need not ask whose
// it is.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "berth/instance.h"

namespace berth::routing {

namespace neighbourhood {
// Gibibytes in which instances lie or lay; bits are only set, by who makes an instance, read by frees (relaxed: a block
// reaches whoever frees it by a way that orders it).
inline constexpr unsigned kNearShift = 30;
extern constinit std::array<std::atomic<std::uint64_t>, (std::size_t{1} << (47 - kNearShift)) / 64> near;
}  // namespace neighbourhood

// The handle is the instance's. Before anybody has a block of it.
void mark_near(berth_instance* instance, const berth_allocator* handle) noexcept;

// Whether routed spans lie, or lay, in the neighbourhood of an address: never in that of null. Inline, because every
// free of the host's asks. [any thread]
inline bool near_instances(const void* address) noexcept {
  const std::uintptr_t granule = reinterpret_cast<std::uintptr_t>(address) >> neighbourhood::kNearShift;
  if (granule / 64 >= neighbourhood::near.size()) return false;
  return (neighbourhood::near[granule / 64].load(std::memory_order_relaxed) >> (granule % 64) & 1) != 0;
}

}  // namespace berth::routing
