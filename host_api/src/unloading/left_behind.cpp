// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// The list of modules that were left behind.
#include "host_api/src/unloading/left_behind.hpp"

#include <algorithm>

#include "arenas/pal/lock.hpp"
#include "host_api/src/modules/module_snapshot.hpp"

namespace berth::detail {

namespace {

// By their bases: no two that are mapped share one. Never destroyed: threads may unload while the process ends.
union KeptForEver {
  constexpr KeptForEver() : modules() {}
  ~KeptForEver() {}
  std::vector<MappedModule> modules;
};
constinit pal::Lock mutex{pal::LockRank::Host};  // not held while the loader is asked
constinit KeptForEver kept;

std::uintptr_t base_of(const MappedModule& module) noexcept { return module.identity.base; }

// In a list that is sorted by base.
const MappedModule* find_in(std::span<const MappedModule> modules, const ModuleIdentity& module) noexcept {
  const auto found = std::ranges::lower_bound(modules, module.base, {}, base_of);
  return found != modules.end() && found->identity == module ? &*found : nullptr;
}

std::vector<MappedModule> all_left_behind() {
  const pal::LockGuard lock(mutex);
  return kept.modules;
}

}  // namespace

void leave_behind(std::span<const MappedModule> modules) {
  const pal::LockGuard lock(mutex);
  for (const MappedModule& module : modules) {
    if (module.left) continue;
    const auto place = std::ranges::lower_bound(kept.modules, module.identity.base, {}, base_of);
    if (place == kept.modules.end() || base_of(*place) != module.identity.base) {
      kept.modules.insert(place, module);
    } else if (place->identity != module.identity) {
      *place = module;
    }
  }
}

void forget_departed() {
  std::vector<MappedModule> gone = all_left_behind();
  if (gone.empty()) return;
  const ModuleSnapshot now;
  std::erase_if(gone, [&](const MappedModule& module) { return now.is_mapped(module.identity); });
  const pal::LockGuard lock(mutex);
  std::erase_if(kept.modules, [&](const MappedModule& module) { return find_in(gone, module.identity) != nullptr; });
}

std::vector<MappedModule> left_behind_for(const ModuleIdentity& module) {
  std::vector<MappedModule> left;
  {
    const pal::LockGuard lock(mutex);
    if (kept.modules.empty()) return left;
  }
  const std::vector<ModuleIdentity> needed = all_needed_by(module);
  const pal::LockGuard lock(mutex);
  for (const ModuleIdentity& library : needed) {
    if (const MappedModule* const found = find_in(kept.modules, library)) left.push_back(*found);
  }
  return left;
}

}  // namespace berth::detail
