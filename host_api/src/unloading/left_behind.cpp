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
  std::vector<MappedModule> gone = left_behind();
  if (gone.empty()) return;
  const ModuleSnapshot now;
  std::erase_if(gone, [&](const MappedModule& module) { return now.is_mapped(module.identity); });
  const pal::LockGuard lock(mutex);
  std::erase_if(kept.modules, [&](const MappedModule& module) {
    const auto found = std::ranges::lower_bound(gone, module.identity.base, {}, base_of);
    return found != gone.end() && found->identity == module.identity;
  });
}

std::vector<MappedModule> left_behind() {
  const pal::LockGuard lock(mutex);
  return kept.modules;
}

}  // namespace berth::detail
