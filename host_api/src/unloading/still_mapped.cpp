// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Asked of the loader's list, of the router, and of whoever holds a module.
#include "host_api/src/unloading/still_mapped.hpp"

#include <string>
#include <utility>
#include <vector>

#include "allocator/misuse/departed.hpp"
#include "host_api/src/hosts/router.hpp"
#include "host_api/src/unloading/left_behind.hpp"
#include "host_api/src/unloading/report_fields.hpp"

namespace berth::detail {

namespace {

// Why a module that was closed is still mapped. A destructor that the loader runs while it closes one module may unload
// another: the loader then closes that after the first, and until then all its references seem to be somebody's.
Obstacle why_it_stays(const PluginState& plugin, const ModuleIdentity& module, Modules& modules) {
  Obstacle obstacle = modules.why_still_mapped(module);
  if (obstacle.why != Cause::OtherReference && obstacle.why != Cause::ThreadLocal) return obstacle;
  if (modules.is_caller_closing()) {
    return {Cause::PutOff,
            "the loader is closing another module on this thread, and closes this one after that (Host::reap())"};
  }
  for (const OpenedModule& opened : plugin.count.opened()) {
    if (opened.identity != module) continue;
    const bool itself = module.base == plugin.module.identity().base;
    return {Cause::OtherReference, itself ? "it has opened itself (dlopen) and not closed that"
                                          : "the plugin has opened it and not closed it"};
  }
  return obstacle;
}

// A mapped module whose memory comes from the instance.
std::optional<ModuleIdentity> user_of(const PluginState& plugin, const Modules& modules) {
  std::optional<ModuleIdentity> user = routed_user_of(plugin);
  return user ? user : modules.find_user(plugin.allocator);
}

// Whether code that may use the instance is still mapped; if so, plugin.obstacle names the reason.
bool still_mapped(PluginState& plugin, Modules& modules) noexcept {
  try {
    if (modules.is_mapped(plugin.module.identity())) {
      plugin.obstacle = why_it_stays(plugin, plugin.module.identity(), modules);
      return true;
    }
    if (const std::optional<ModuleIdentity> user = user_of(plugin, modules)) {
      plugin.obstacle = why_it_stays(plugin, *user, modules);
      plugin.obstacle.text = user->name + ", which allocates from the same instance: " + plugin.obstacle.text;
      return true;
    }
    return false;
  } catch (...) {
    plugin.obstacle = unknown_obstacle();
    return true;
  }
}

// So that a late call into it is answered with a name.
void remember(const PluginState& plugin, const MappedModule& module, Modules& modules) {
  std::string name = plugin.name;
  if (&module != &plugin.modules.front()) name += ": " + file_name(module.identity.name);
  core::departed::remember_code(module.begin, module.bytes, name.c_str());
  modules.was_remembered(module);
}

// Looks which of the plugin's modules have left, and tells of its libraries.
void account_for_modules(PluginState& plugin, UnloadReport& report, Modules& modules) noexcept {
  report.dependencies.clear();
  try {
    for (MappedModule& module : plugin.modules) {
      if (!module.left && !modules.is_mapped(module.identity)) {
        module.left = true;
        remember(plugin, module, modules);
      }
      if (&module == &plugin.modules.front()) continue;
      const Obstacle obstacle = module.left ? Obstacle() : why_it_stays(plugin, module.identity, modules);
      report.dependencies.push_back({module.identity.name, obstacle.why, obstacle.text});
    }
    leave_behind(plugin.modules);
  } catch (...) {  // out of memory costs names only
  }
}

// Has the answers about these plugins' modules ready.
void look_at_modules(std::span<const PluginState* const> plugins, Modules& modules) {
  modules.look();
  std::vector<ModuleIdentity> asked;
  for (const PluginState* const plugin : plugins) {
    asked.push_back(plugin->module.identity());
    if (std::optional<ModuleIdentity> user = user_of(*plugin, modules)) asked.push_back(*std::move(user));
    for (const MappedModule& module : plugin->modules) asked.push_back(module.identity);
  }
  modules.ask(std::move(asked));
}

}  // namespace

void tell_router() noexcept {
  if (router != nullptr) router->forget_gone();
}

std::optional<ModuleIdentity> routed_user_of(const PluginState& plugin) {
  const std::uintptr_t base = plugin.routed ? router->find_user(plugin.instance) : 0;
  if (base == 0) return std::nullopt;
  for (const MappedModule& module : plugin.modules) {
    if (module.identity.base == base) return module.identity;
  }
  for (const ListedModule& listed : list_modules()) {
    if (listed.module.identity.base == base) return listed.module.identity;
  }
  return std::nullopt;
}

void look_at_many(std::span<const PluginState* const> plugins, Modules& modules) noexcept {
  std::size_t known = 0;
  for (const PluginState* const plugin : plugins) known += 1 + plugin->modules.size();
  if (known <= 3) return;
  try {
    look_at_modules(plugins, modules);
  } catch (...) {  // out of memory: each is asked for
    modules.forget();
  }
}

bool has_left(PluginState& plugin, UnloadReport& report, Modules& modules) noexcept {
  tell_metering(plugin, report);
  tell_parts(plugin, report, modules);
  const bool stays = still_mapped(plugin, modules);
  account_for_modules(plugin, report, modules);
  if (stays) return false;
  plugin.obstacle = {};
  plugin.owner.withdraw();
  plugin.copy.remove();
  return true;
}

}  // namespace berth::detail
