// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// The list of zombies, and those whose Host has ended.
#include "host_api/src/plugin/plugin_state.hpp"

#include <utility>

#include "allocator/misuse/log.hpp"
#include "host_api/src/c_abi/instance_handle.hpp"
#include "host_api/src/views/notes.hpp"
#include "host_api/src/views/publishing.hpp"

namespace berth::detail {

namespace {

// The plugins that nobody reaps any more, and those that any Host does. Never destroyed, because a mapped module's
// memory must stay; reachable, so that leak checkers see the intent.
union KeptForEver {
  constexpr KeptForEver() : list() {}
  ~KeptForEver() {}
  ZombieList list;
};
constinit KeptForEver kept_for_ever;
constinit KeptForEver kept_for_another_host;

void keep_without_host(std::shared_ptr<PluginState> plugin) noexcept {
  const bool is_orphan = plugin->kept || plugin->obstacle.why == Cause::Exception;
  try {
    const std::string cause = plugin->obstacle ? plugin->obstacle.text : "an import or a lease still holds it";
    core::log::write(core::log::Severity::Warning, core::log::Code::HostEnded,
                     ("berth: " + display_name(*plugin) + ": its Host has ended, its instance is kept until " +
                      (is_orphan ? "another Host loads or reaps: " : "the process ends: ") + cause)
                         .c_str());
  } catch (...) {
    core::log::write(core::log::Severity::Warning, core::log::Code::HostEnded,
                     "berth: a Host has ended before its plugins, their instances are kept until the process ends");
  }
  (is_orphan ? kept_for_another_host : kept_for_ever).list.add(std::move(plugin));
}

}  // namespace

void ZombieList::add(std::shared_ptr<PluginState> plugin) noexcept {
  if (!plugin->kept) count_.fetch_add(1, std::memory_order_relaxed);
  put_back(std::move(plugin));
}

std::shared_ptr<PluginState> ZombieList::take_all() noexcept {
  const pal::LockGuard lock(mutex_);
  return std::move(first_);
}

bool ZombieList::is_empty() noexcept {
  const pal::LockGuard lock(mutex_);
  return first_ == nullptr;
}

void ZombieList::put_back(std::shared_ptr<PluginState> plugin) noexcept {
  {
    const pal::LockGuard lock(mutex_);
    if (!ended_) {
      plugin->next = std::move(first_);
      first_ = std::move(plugin);
      return;
    }
  }
  keep_without_host(std::move(plugin));
}

void ZombieList::end() noexcept {
  {
    const pal::LockGuard lock(mutex_);
    ended_ = true;
  }
  for (std::shared_ptr<PluginState> plugin = take_all(); plugin != nullptr;) {
    std::shared_ptr<PluginState> rest = std::move(plugin->next);
    keep_without_host(std::move(plugin));
    plugin = std::move(rest);
  }
}

ZombieList& ZombieList::orphans() noexcept { return kept_for_another_host.list; }

std::string display_name(const PluginState& plugin) {
  const std::string path = plugin.path.string();
  const std::uint64_t instance = plugin.is_copy ? berth_instance_id(plugin.instance) : 0;
  if (instance != 0) return plugin.name + " (instance " + std::to_string(instance) + ", a copy of " + path + ")";
  if (plugin.name.empty()) return path.empty() ? "(unnamed)" : path;
  return path.empty() || path == plugin.name ? plugin.name : plugin.name + " (" + path + ")";
}

MeteringFinding find_metering(const PluginState& plugin) noexcept {
  try {
    berth_instance_statistics statistics{};
    statistics.struct_size = sizeof(statistics);
    berth_instance_stats(plugin.instance, &statistics);
    const bool takes_handle = plugin.module.is_open() && plugin.module.own_symbol("berth_attach") != nullptr;
    return find_metering(plugin.modules, {plugin.allocator, takes_handle, statistics.allocations != 0,
                                          plugin.routed ? plugin.instance : nullptr, plugin.ran_before});
  } catch (...) {
    return {Metering::Not, "out of memory"};  // too short to need any
  }
}

void tell_views(const PluginState& plugin, const MeteringFinding& metering) noexcept {
  const views::Metering known = metering.metering == Metering::Whole    ? views::Metering::Whole
                                : metering.metering == Metering::Partly ? views::Metering::Partly
                                                                        : views::Metering::Not;
  views::notes::set(to_handle(plugin.instance), known, metering.text.c_str());
  views::publishing::refresh(to_handle(plugin.instance));
}

void tell_views(const PluginState& plugin, core::registry::Standing standing) noexcept {
  core::registry::set_standing(to_handle(plugin.instance), standing);
  views::publishing::refresh(to_handle(plugin.instance));
}

Error being_unloaded(const PluginState& plugin) {
  return Error(BERTH_ERR_BUSY, plugin.name, display_name(plugin) + ": it is being unloaded");
}

}  // namespace berth::detail
