// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// module_graph.hpp for Windows, whose loader lists modules in the order of loading, and finds what a module needs by
// the name of its file in any case of letters. Nobody can tell who has asked for a symbol's address.
#include <algorithm>
#include <cctype>
#include <filesystem>
#include <string>
#include <string_view>

#include "host_api/src/modules/module_graph.hpp"
#include "host_api/src/modules/module_list_windows.hpp"
#include "host_api/src/modules/pe_image_windows.hpp"

namespace berth::detail {

namespace {

std::string lower_case(std::string name) {
  std::ranges::transform(name, name.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return name;
}

ListedModule listed_module(const LoaderEntry& entry) {
  const PeImage image(entry.base);
  ListedModule listed{{identity_of(entry), entry.base, entry.bytes, false}, {}, {}, image.plugin_new_handle()};
  listed.names.push_back(lower_case(std::filesystem::path(entry.file_name).string()));
  image.for_each_needed([&](std::string_view name) { listed.needs.push_back(lower_case(std::string(name))); });
  return listed;
}

}  // namespace

std::vector<ListedModule> list_modules() {
  std::vector<ListedModule> modules;
  any_module([&](const LoaderEntry& entry) {
    modules.push_back(listed_module(entry));
    return false;
  });
  return modules;
}

std::vector<ModuleIdentity> all_needed_by(const ModuleIdentity& module) {
  std::vector<ModuleIdentity> needed;
  const std::vector<ListedModule> all = list_modules();
  const auto start =
      std::ranges::find_if(all, [&](const ListedModule& listed) { return listed.module.identity == module; });
  if (start == all.end()) return needed;
  std::vector<const ListedModule*> reached = {&*start};
  for (std::size_t next = 0; next < reached.size(); ++next) {
    for (const std::string& name : reached[next]->needs) {
      const auto found = std::ranges::find_if(
          all, [&](const ListedModule& listed) { return std::ranges::find(listed.names, name) != listed.names.end(); });
      if (found == all.end() || std::ranges::find(reached, &*found) != reached.end()) continue;
      reached.push_back(&*found);
      needed.push_back(found->module.identity);
    }
  }
  return needed;
}

std::vector<std::optional<ModuleIdentity>> find_bound(std::span<const MappedModule> modules) {
  return std::vector<std::optional<ModuleIdentity>>(modules.size());
}

bool is_occupied(std::uintptr_t begin, std::size_t bytes) {
  return any_module(
      [&](const LoaderEntry& entry) { return entry.base < begin + bytes && begin < entry.base + entry.bytes; });
}

}  // namespace berth::detail
