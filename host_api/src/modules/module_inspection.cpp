// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// The part of module_inspection.hpp that is the same for every loader.
#include "host_api/src/modules/module_inspection.hpp"

#include <cxxabi.h>

#include <cstdlib>
#include <memory>
#include <utility>

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

std::vector<Obstacle> why_still_mapped(std::span<const ModuleIdentity> modules) {
  std::vector<Obstacle> obstacles = why_they_stay_themselves(modules);
  // What the answers before leave open, and where it belongs.
  std::vector<std::size_t> places;
  std::vector<ModuleIdentity> rest;
  const auto leave_open = [&](std::size_t place) {
    places.push_back(place);
    rest.push_back(modules[place]);
  };
  for (std::size_t place = 0; place < modules.size(); ++place) {
    if (!obstacles[place]) leave_open(place);
  }
  if (rest.empty()) return obstacles;
  const std::vector<std::optional<Dependent>> dependents = find_dependents(rest);
  const std::vector<std::size_t> asked = std::exchange(places, {});
  rest.clear();
  for (std::size_t number = 0; number < asked.size(); ++number) {
    if (dependents[number]) {
      obstacles[asked[number]] = needed_by(*dependents[number]);
    } else {
      leave_open(asked[number]);
    }
  }
  if (rest.empty()) return obstacles;
  std::vector<Obstacle> referenced = why_they_are_referenced(rest);
  for (std::size_t number = 0; number < places.size(); ++number) {
    obstacles[places[number]] = std::move(referenced[number]);
  }
  return obstacles;
}

std::string file_name(std::string_view path) { return std::filesystem::path(path).filename().string(); }

std::string demangle(const char* name) {
  int status = 0;
  const std::unique_ptr<char, decltype(&std::free)> text(abi::__cxa_demangle(name, nullptr, nullptr, &status),
                                                         &std::free);
  return status == 0 && text != nullptr ? text.get() : name;
}

}  // namespace berth::detail
