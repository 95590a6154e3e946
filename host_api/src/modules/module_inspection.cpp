// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// The part of module_inspection.hpp that is the same for every loader.
#include "host_api/src/modules/module_inspection.hpp"

#include <cxxabi.h>

#include <cstdlib>
#include <memory>

#include "host_api/src/modules/module_graph.hpp"
#include "host_api/src/modules/module_owner.hpp"

namespace berth::detail {

namespace {

Obstacle needed_by(const Dependent& dependent) {
  std::string who = dependent.module.name.empty() ? "the program" : file_name(dependent.module.name);
  const std::string plugin = ModuleOwner::of(dependent.module).plugin;
  if (!plugin.empty()) who += " (plugin \"" + plugin + "\")";
  return {Cause::NeededBy,
          (dependent.linked ? "another module needs it: " : "another module is bound to its symbols: ") + who};
}

}  // namespace

Obstacle why_still_mapped(const ModuleIdentity& module) {
  if (Obstacle obstacle = why_it_stays_itself(module)) return obstacle;
  if (const std::optional<Dependent> dependent = find_dependent(module)) return needed_by(*dependent);
  return why_it_is_referenced(module);
}

std::string file_name(std::string_view path) { return std::filesystem::path(path).filename().string(); }

std::string demangle(const char* name) {
  int status = 0;
  const std::unique_ptr<char, decltype(&std::free)> text(abi::__cxa_demangle(name, nullptr, nullptr, &status),
                                                         &std::free);
  return status == 0 && text != nullptr ? text.get() : name;
}

}  // namespace berth::detail
