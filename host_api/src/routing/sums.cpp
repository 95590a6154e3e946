// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// What reports read of the modules that are in the table now.
#include "host_api/src/routing/instances.hpp"
#include "host_api/src/routing/module_table.hpp"

namespace berth::routing {

Now sum_of(const Record& record) noexcept {
  Now sum{};
  table::for_each([&](const Module& module) noexcept {
    if (module.record != &record) return true;
    const ModuleState state = module.state.load(std::memory_order_acquire);
    if (state != ModuleState::Kept) sum.mapped = true;
    const berth_instance_statistics statistics = statistics_of(module);
    sum.allocations += statistics.allocations - module.inherited_allocations;
    sum.failed_allocations += statistics.failed_allocations - module.inherited_failures;
    sum.allocated_bytes += module.allocated_bytes.load(std::memory_order_relaxed) - module.inherited_bytes;
    const std::uint64_t peak = module.peak_bytes.load(std::memory_order_relaxed);
    if (peak > sum.peak_bytes) sum.peak_bytes = peak;
    (state == ModuleState::Kept ? sum.kept_blocks : sum.live_blocks) += statistics.live_blocks;
    (state == ModuleState::Kept ? sum.kept_bytes : sum.live_bytes) += statistics.live_bytes;
    return true;
  });
  return sum;
}

void count_from_zero() noexcept {
  table::for_each([](Module& module) noexcept {
    const berth_instance_statistics statistics = statistics_of(module);
    module.inherited_allocations = statistics.allocations;
    module.inherited_failures = statistics.failed_allocations;
    module.inherited_bytes = module.allocated_bytes.load(std::memory_order_relaxed);
    const std::int64_t live = module.live_bytes.load(std::memory_order_relaxed);
    module.peak_bytes.store(live > 0 ? static_cast<std::uint64_t>(live) : 0, std::memory_order_relaxed);
    return true;
  });
}

}  // namespace berth::routing
