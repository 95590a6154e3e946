// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// The list of modules that were left behind.
#include "host_api/src/unloading/left_behind.hpp"

#include <algorithm>
#include <string>
#include <unordered_set>
#include <utility>

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
  return std::ranges::any_of(modules, [&](const MappedModule& other) { return other.identity == module; });
}

// In one walk of the loader's list for all that it has, and another for each that has left since.
void drop_mapped(std::vector<MappedModule>& modules) {
  if (modules.empty()) return;
  std::unordered_set<std::string> listed;  // by what the loader calls it: one such name is mapped once
  for (ListedModule& other : list_modules()) listed.insert(std::move(other.module.identity.name));
  std::erase_if(modules, [&](const MappedModule& module) {
    return listed.contains(module.identity.name) || is_mapped(module.identity);
  });
}

}  // namespace

void leave_behind(std::span<const MappedModule> modules) {
  if (std::ranges::all_of(modules, &MappedModule::left)) return;
  std::vector<MappedModule> gone = left_behind();
  drop_mapped(gone);
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
