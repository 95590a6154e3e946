// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// The list of modules that were left behind.
#include "host_api/src/unloading/left_behind.hpp"

#include <algorithm>

#include "arenas/pal/lock.hpp"
namespace berth::detail {

namespace {

// Never destroyed: threads may unload while the process ends.
union KeptForEver {
  constexpr KeptForEver() : modules() {}
  ~KeptForEver() {}
  std::vector<MappedModule> modules;
};
constinit pal::Lock mutex{pal::LockRank::Host};  // not held while the loader is asked
constinit KeptForEver kept;

bool contains(std::span<const MappedModule> modules, const ModuleIdentity& module) {
  return std::ranges::any_of(modules, [&](const MappedModule& other) {
    return other.identity.base == module.base && other.identity.name == module.name;
  });
}

}  // namespace

void leave_behind(std::span<const MappedModule> modules) {
  if (std::ranges::all_of(modules, &MappedModule::left)) return;
  std::vector<MappedModule> gone = left_behind();
  std::erase_if(gone, [](const MappedModule& module) { return is_mapped(module.identity); });
  const pal::LockGuard lock(mutex);
  std::erase_if(kept.modules, [&](const MappedModule& module) { return contains(gone, module.identity); });
  for (const MappedModule& module : modules) {
    if (!module.left && !contains(kept.modules, module.identity)) kept.modules.push_back(module);
  }
}

std::vector<MappedModule> left_behind() {
  const pal::LockGuard lock(mutex);
  return kept.modules;
}

}  // namespace berth::detail
