// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
#include "host_api/src/routing/release.hpp"

#include "allocator/misuse/departed.hpp"
#include "arenas/pal/errno_keeper.hpp"
#include "host_api/src/routing/instances.hpp"
#include "host_api/src/routing/module_table.hpp"

namespace berth::routing {

namespace {

void raise(std::atomic<std::uint64_t>& highest, std::uint64_t value) noexcept {
  if (value > highest.load(std::memory_order_relaxed)) highest.store(value, std::memory_order_relaxed);
}

// The totals of an instance that ends go into its record.
void settle(Module& module, const berth_instance_statistics& statistics) noexcept {
  Record& record = *module.record;
  record.allocations.fetch_add(statistics.allocations - module.inherited_allocations, std::memory_order_relaxed);
  record.failed_allocations.fetch_add(statistics.failed_allocations - module.inherited_failures,
                                      std::memory_order_relaxed);
  record.allocated_bytes.fetch_add(module.allocated_bytes.load(std::memory_order_relaxed) - module.inherited_bytes,
                                   std::memory_order_relaxed);
  raise(record.peak_bytes, module.peak_bytes.load(std::memory_order_relaxed));
}

void leave_group(Module& module) noexcept {
  if (module.group_bytes == nullptr) return;
  const std::int64_t live = module.live_bytes.load(std::memory_order_relaxed);
  if (live > 0) module.group_bytes->fetch_sub(static_cast<std::size_t>(live), std::memory_order_relaxed);
  module.group_bytes = nullptr;
}

void destroy(Module& module, const berth_instance_statistics& statistics) noexcept {
  settle(module, statistics);
  berth_instance* instance = module.instance.exchange(nullptr, std::memory_order_acq_rel);
  berth_instance_destroy(instance, nullptr);
  table::put_back(module);
}

}  // namespace

void give_back(Module& module) noexcept {
  Record& record = *module.record;
  if (module.counted) record.unloads.fetch_add(1, std::memory_order_relaxed);
  callers.set(module.image.begin, module.image.end, kUnknown);
  core::departed::remember_code(module.image.begin, module.image.end - module.image.begin, record.name);
  module.map = nullptr;
  module.handle.store(nullptr, std::memory_order_release);
  leave_group(module);
  berth_instance* instance = module.instance.load(std::memory_order_acquire);
  if (instance == nullptr) return table::put_back(module);
  const berth_instance_statistics statistics = statistics_of(module);
  if (statistics.live_blocks != 0 && settings().release != ReleasePolicy::Always) {
    module.kept_left.store(statistics.live_blocks, std::memory_order_relaxed);
    // release: who sees it kept counts down from what is left.
    module.state.store(ModuleState::Kept, std::memory_order_release);
    berth_instance_purge(instance);
    return;
  }
  record.forgotten_blocks.fetch_add(statistics.live_blocks, std::memory_order_relaxed);
  record.forgotten_bytes.fetch_add(statistics.live_bytes, std::memory_order_relaxed);
  destroy(module, statistics);
}

void end_kept(Module& module) noexcept {
  const pal::ErrnoKeeper keeper;
  destroy(module, statistics_of(module));
}

}  // namespace berth::routing
