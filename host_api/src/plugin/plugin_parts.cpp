// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// What is certain comes from the counts of the modules that keep one. A module that keeps none and opens others may
// have opened whatever came after it, and that nobody else is known to have brought.
#include "host_api/src/plugin/plugin_parts.hpp"

#include <algorithm>
#include <string_view>
#include <utility>

#include "host_api/src/modules/module_graph.hpp"
#include "host_api/src/plugin/plugin_state.hpp"

namespace berth::detail {

namespace {

bool contains(std::span<const MappedModule> modules, const ModuleIdentity& module) {
  return std::ranges::any_of(modules, [&](const MappedModule& other) { return other.identity == module; });
}

bool contains(const std::vector<OpenedModule>& modules, const ModuleIdentity& module) {
  return std::ranges::any_of(modules, [&](const OpenedModule& other) { return other.identity == module; });
}

// All modules in the order in which they came, looked up when they are asked for first.
class Order {
 public:
  static constexpr std::size_t kNone = SIZE_MAX;

  const std::vector<ListedModule>& modules() {
    if (modules_.empty()) modules_ = list_modules();
    return modules_;
  }
  std::size_t number_of(const ModuleIdentity& module) {
    const auto found =
        std::ranges::find_if(modules(), [&](const ListedModule& other) { return other.module.identity == module; });
    return found == modules_.end() ? kNone : static_cast<std::size_t>(found - modules_.begin());
  }
  bool is_needed(const ListedModule& module) {
    return std::ranges::any_of(modules(), [&](const ListedModule& other) {
      return &other != &module && std::ranges::any_of(other.needs, [&](const std::string& name) {
        return std::ranges::find(module.names, name) != module.names.end();
      });
    });
  }

 private:
  std::vector<ListedModule> modules_;
};

MeteringFinding metering_of(const OpenedModule& part, const PluginState& plugin) {
  if (!part.is_listed) {
    return {Metering::Not, "it is in a namespace of the loader of its own (dlmopen), where nothing is metered"};
  }
  return find_metering_of_part(brought_in_by(part.identity), plugin.allocator,
                               plugin.routed ? plugin.instance : nullptr);
}

class Search {
 public:
  explicit Search(const PluginState& plugin) : plugin_(plugin) {
    if (plugin.modules.empty()) return;
    openers_.push_back(plugin.modules.front().identity);
    for (ModuleIdentity& library : private_libraries(plugin.modules)) openers_.push_back(std::move(library));
  }

  std::vector<PluginPart> run() && {
    for (std::size_t next = 0; next < openers_.size(); ++next) {
      const ModuleIdentity opener = openers_[next];
      for (OpenedModule& module : opened_by(opener)) add(std::move(module), opener, true);
    }
    for (std::size_t next = 0; next < openers_.size(); ++next) {
      const ModuleIdentity opener = openers_[next];
      if (opens_uncounted(opener)) add_unknown(opener);
    }
    return std::move(parts_);
  }

 private:
  void add(OpenedModule module, const ModuleIdentity& opener, bool certain) {
    if (is_runtime(file_name(module.identity.name)) || contains(plugin_.modules, module.identity)) return;
    const auto known = [&](const PluginPart& part) { return part.module.identity == module.identity; };
    if (std::ranges::any_of(parts_, known)) return;
    const bool came =
        !module.is_listed || order_.number_of(module.identity) > order_.number_of(plugin_.modules.front().identity);
    MeteringFinding metering = metering_of(module, plugin_);
    if (came && module.is_listed) {
      for (const MappedModule& library : brought_in_by(module.identity)) {
        const bool listed = std::ranges::any_of(openers_, [&](const auto& o) { return o == library.identity; });
        if (!listed && !is_runtime(file_name(library.identity.name))) openers_.push_back(library.identity);
      }
    }
    parts_.push_back({std::move(module), opener, certain, came, std::move(metering)});
  }

  // What somebody opened after the opener came, and nobody is known to have.
  void add_unknown(const ModuleIdentity& opener) {
    const std::size_t begin = order_.number_of(opener);
    if (begin == Order::kNone) return;
    for (std::size_t number = begin + 1; number < order_.modules().size(); ++number) {
      const ListedModule& module = order_.modules()[number];
      const ModuleIdentity& identity = module.module.identity;
      if (order_.is_needed(module) || !ModuleOwner::of(identity).plugin.empty() || is_anybodys(identity)) continue;
      add({identity, true}, opener, false);
    }
  }

  bool is_anybodys(const ModuleIdentity& identity) {
    if (!counted_everywhere_known_) {
      for (const ListedModule& module : order_.modules()) {
        for (OpenedModule& opened : opened_by(module.module.identity)) counted_everywhere_.push_back(std::move(opened));
      }
      counted_everywhere_known_ = true;
    }
    return contains(counted_everywhere_, identity);
  }

  const PluginState& plugin_;
  Order order_;
  std::vector<ModuleIdentity> openers_;
  std::vector<PluginPart> parts_;
  std::vector<OpenedModule> counted_everywhere_;
  bool counted_everywhere_known_ = false;
};

}  // namespace

std::vector<PluginPart> find_parts(const PluginState& plugin) { return Search(plugin).run(); }

std::vector<PluginPart> find_parts_left(const PluginState& plugin, const std::vector<PluginPart>& before,
                                        const std::function<bool(const ModuleIdentity&)>& is_there) {
  std::vector<PluginPart> parts;
  if (plugin.modules.empty()) return parts;
  const ModuleIdentity& own = plugin.modules.front().identity;
  const std::vector<OpenedModule> counted = plugin.count.opened();
  for (const PluginPart& part : before) {
    const ModuleIdentity& identity = part.module.identity;
    const bool still = part.certain && part.opener == own      ? contains(counted, identity)
                       : part.certain && is_there(part.opener) ? contains(opened_by(part.opener), identity)
                                                               : !part.module.is_listed || is_there(identity);
    if (still) parts.push_back(part);
  }
  for (const OpenedModule& module : counted) {
    const auto known = [&](const PluginPart& part) { return part.module.identity == module.identity; };
    if (std::ranges::any_of(parts, known) || contains(plugin.modules, module.identity) ||
        is_runtime(file_name(module.identity.name))) {
      continue;
    }
    parts.push_back({module, own, true, true, metering_of(module, plugin)});
  }
  return parts;
}

PartReport part_report(const PluginPart& part) {
  return {part.module.identity.name, part.certain, part.metering.metering, part.metering.text};
}

MeteringFinding find_metering(const PluginState& plugin, const std::vector<PluginPart>& parts) noexcept {
  MeteringFinding found = find_metering(plugin);
  try {
    for (const PluginPart& part : parts) {
      if (!part.certain || !part.came_with_plugin || part.metering.metering == Metering::Whole ||
          part.metering.text == kNoAllocator) {
        continue;
      }
      if (found.metering == Metering::Whole) found.metering = Metering::Partly;
      if (!found.text.empty()) found.text += "; ";
      found.text += file_name(part.module.identity.name) + ", which it has opened: " + part.metering.text;
    }
    return found;
  } catch (...) {
    return {Metering::Not, "out of memory"};  // too short to need any
  }
}

}  // namespace berth::detail
