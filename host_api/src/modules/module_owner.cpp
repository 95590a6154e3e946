// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// The list of owners.
#include "host_api/src/modules/module_owner.hpp"

#include <algorithm>

#include "arenas/pal/lock.hpp"
namespace berth::detail {

namespace {
constinit pal::Lock owners_mutex{pal::LockRank::Host};
constinit ModuleOwner* owners = nullptr;
}  // namespace

void ModuleOwner::announce(const std::string& plugin, std::span<const MappedModule> modules) noexcept {
  const pal::LockGuard lock(owners_mutex);
  plugin_ = &plugin;
  modules_ = modules;
  next_ = owners;
  owners = this;
}

void ModuleOwner::withdraw() noexcept {
  if (plugin_ == nullptr) return;
  const pal::LockGuard lock(owners_mutex);
  for (ModuleOwner** link = &owners; *link != nullptr; link = &(*link)->next_) {
    if (*link != this) continue;
    *link = next_;
    break;
  }
  plugin_ = nullptr;
}

std::string ModuleOwner::of(const ModuleIdentity& module) {
  const pal::LockGuard lock(owners_mutex);
  for (const ModuleOwner* owner = owners; owner != nullptr; owner = owner->next_) {
    const auto same = [&](const MappedModule& other) {
      return other.identity.base == module.base && other.identity.name == module.name;
    };
    if (std::ranges::any_of(owner->modules_, same)) return *owner->plugin_;
  }
  return {};
}

}  // namespace berth::detail
