// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// What views from outside show of a routed module beside what its instance counts.
#include <algorithm>
#include <cstring>

#include "host_api/src/routing/instances.hpp"
#include "host_api/src/views/figures.hpp"

namespace berth::routing {

void refine(core::Instance& instance, views::Figures& figures) noexcept {
  const auto* module = module_of(instance);
  if (module == nullptr) return;
  core::Statistics& sums = figures.statistics;
  sums.allocations -= std::min(sums.allocations, module->inherited_allocations);
  sums.deallocations = sums.allocations > sums.live_blocks ? sums.allocations - sums.live_blocks : 0;
  sums.failed_allocations -= std::min(sums.failed_allocations, module->inherited_failures);
  figures.knows_peak_live = true;
  figures.peak_live_bytes =
      std::max<std::uint64_t>(module->peak_bytes.load(std::memory_order_relaxed), sums.live_bytes);
  const auto live = live_bytes(*module);
  note_point(*module->record, live > 0 ? static_cast<std::uint64_t>(live) : 0,
             std::max(figures.peak_live_bytes, module->record->peak_bytes.load(std::memory_order_relaxed)));
  if (module->state.load(std::memory_order_acquire) == ModuleState::Kept) {
    figures.standing = core::registry::Standing::Kept;
  }
  if (module->record->bound_elsewhere.load(std::memory_order_relaxed)) {
    figures.metering = views::Metering::Partly;
    std::strcpy(figures.metering_text, "its calls are bound to another library's allocator");
  }
}

}  // namespace berth::routing
