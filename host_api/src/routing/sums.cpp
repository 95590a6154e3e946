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
    if (module.forgotten_at_end.load(std::memory_order_relaxed)) return true;
    (state == ModuleState::Kept ? sum.kept_blocks : sum.live_blocks) += statistics.live_blocks;
    (state == ModuleState::Kept ? sum.kept_bytes : sum.live_bytes) += statistics.live_bytes;
    return true;
  });
  return sum;
}

void for_each_holder(const Record& record, void (*visit)(void* context, const char* name), void* context) noexcept {
  table::for_each([&](const Module& module) noexcept {
    if (module.record != &record || module.state.load(std::memory_order_acquire) != ModuleState::Kept) return true;
    if (module.forgotten_at_end.load(std::memory_order_relaxed)) return true;
    for (std::size_t number = 0; number < HolderNames::kMost; ++number) {
      char name[HolderNames::kBytes];
      module.kept_by.copy(number, name);
      if (name[0] == '\0') break;
      visit(context, name);
    }
    return true;
  });
}

void HolderNames::add(const char* text) noexcept {
  for (auto& name : names_) {
    if (name[0].load(std::memory_order_relaxed) != 0) {
      std::size_t same = 0;
      while (same + 1 < kBytes && text[same] != 0 && name[same].load(std::memory_order_relaxed) == text[same]) ++same;
      if (same + 1 == kBytes || name[same].load(std::memory_order_relaxed) == text[same]) return;
      continue;
    }
    std::size_t length = 0;
    while (length + 1 < kBytes && text[length] != 0) ++length;
    name[length].store(0, std::memory_order_relaxed);
    while (length-- > 0) name[length].store(text[length], std::memory_order_relaxed);
    return;
  }
}

void HolderNames::copy(std::size_t number, char (&out)[kBytes]) const noexcept {
  for (std::size_t i = 0; i < kBytes; ++i) out[i] = names_[number][i].load(std::memory_order_relaxed);
  out[kBytes - 1] = 0;
}

void count_from_zero() noexcept {
  table::for_each([](Module& module) noexcept {
    const berth_instance_statistics statistics = statistics_of(module);
    module.inherited_allocations = statistics.allocations;
    module.inherited_failures = statistics.failed_allocations;
    module.inherited_bytes = module.allocated_bytes.load(std::memory_order_relaxed);
    const std::int64_t live = live_bytes(module);
    module.peak_bytes.store(live > 0 ? static_cast<std::uint64_t>(live) : 0, std::memory_order_relaxed);
    return true;
  });
}

}  // namespace berth::routing
