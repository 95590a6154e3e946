// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// The table of owners.
#include "host_api/src/modules/module_owner.hpp"

#include <utility>

#include "arenas/pal/lock.hpp"
namespace berth::detail {

namespace {
constinit pal::Lock owners_mutex{pal::LockRank::Host};
}  // namespace

constinit ModuleOwner::Entry* ModuleOwner::rows[kRows] = {};

ModuleOwner::Entry*& ModuleOwner::row_of(const ModuleIdentity& module) noexcept {
  return rows[(std::uint64_t{module.base} * 0x9e3779b97f4a7c15u) >> 56];
}

void ModuleOwner::announce(const std::string& plugin, std::span<const MappedModule> modules) {
  withdraw();
  plugin_ = plugin;
  entries_.reserve(modules.size());
  for (const MappedModule& module : modules) entries_.push_back({module.identity, this});
  const pal::LockGuard lock(owners_mutex);
  for (Entry& entry : entries_) {  // behind those of who came first: a library is its
    Entry** link = &row_of(entry.module);
    while (*link != nullptr) link = &(*link)->next;
    *link = &entry;
    entry.link = link;
  }
}

void ModuleOwner::rename(std::string plugin) noexcept {
  const pal::LockGuard lock(owners_mutex);
  plugin_.swap(plugin);
}

void ModuleOwner::withdraw() noexcept {
  if (entries_.empty()) return;
  const pal::LockGuard lock(owners_mutex);
  for (Entry& entry : entries_) {
    *entry.link = entry.next;
    if (entry.next != nullptr) entry.next->link = entry.link;
  }
  entries_.clear();
}

ModuleOwner::Answer ModuleOwner::of(const ModuleIdentity& module) {
  const pal::LockGuard lock(owners_mutex);
  Answer answer;
  for (const Entry* entry = row_of(module); entry != nullptr; entry = entry->next) {
    if (entry->module != module) continue;
    const bool library = entry != entry->owner->entries_.data();
    if (answer.plugin.empty() || !library) answer = {entry->owner->plugin_, library};
    if (!library) break;
  }
  return answer;
}

}  // namespace berth::detail
