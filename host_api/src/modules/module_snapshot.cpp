// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// The snapshot, in the order of the addresses: modules do not overlap.
#include "host_api/src/modules/module_snapshot.hpp"

#include <algorithm>

namespace berth::detail {

namespace {

std::uintptr_t begin_of(const ListedModule& listed) noexcept { return listed.module.begin; }
}  // namespace

ModuleSnapshot::ModuleSnapshot() : modules_(list_modules()) {
  std::unordered_map<const berth_allocator*, std::uintptr_t> users;
  for (const ListedModule& listed : modules_) {
    if (listed.plugin_new_handle != nullptr) users.try_emplace(listed.plugin_new_handle, begin_of(listed));
  }
  std::ranges::sort(modules_, {}, begin_of);
  for (std::size_t number = 0; number < modules_.size(); ++number) {
    const ListedModule& listed = modules_[number];
    by_base_.emplace(listed.module.identity.base, number);
    const auto user = users.find(listed.plugin_new_handle);
    if (user != users.end() && user->second == begin_of(listed)) users_.emplace(user->first, number);
  }
}

bool ModuleSnapshot::is_mapped(const ModuleIdentity& module) const noexcept {
  if (module.name.empty()) return false;
  const auto [first, last] = by_base_.equal_range(module.base);
  if (first == last) return lies_unlisted(module);
  return std::any_of(first, last, [&](const auto& entry) { return modules_[entry.second].module.identity == module; });
}

std::optional<ModuleIdentity> ModuleSnapshot::find_user(const berth_allocator* instance) const {
  const auto found = users_.find(instance);
  if (found == users_.end()) return std::nullopt;
  return modules_[found->second].module.identity;
}

bool ModuleSnapshot::is_occupied(std::uintptr_t begin, std::size_t bytes) const noexcept {
  const auto next = std::ranges::lower_bound(modules_, begin + bytes, {}, begin_of);
  if (next == modules_.begin()) return false;
  const MappedModule& last = (next - 1)->module;
  return begin < last.begin + last.bytes;
}

}  // namespace berth::detail
