// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Which mapped module needs which: what a plugin has brought into the process, and who keeps a module there. The
// loader's list of modules is the truth, whatever closing one has answered.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "host_api/src/modules/module_inspection.hpp"

namespace berth::detail {

// A module and the addresses from its first segment to its last.
struct MappedModule {
  ModuleIdentity identity;
  std::uintptr_t begin = 0;
  std::size_t bytes = 0;
  bool left = false;  // it was seen to have left the process
};

// The module and the libraries that were loaded because of it, itself first. Empty if it is not mapped.
std::vector<MappedModule> brought_in_by(const ModuleIdentity& module);

// The modules that this one needs, and those that they need. Without a look at what all others need.
std::vector<ModuleIdentity> all_needed_by(const ModuleIdentity& module);

// Of such a list the libraries that are mapped and that no module outside the list needs. With them those that are
// `left_behind` (left_behind.hpp) and that the first of the list needs, likewise unless somebody else does.
std::vector<ModuleIdentity> private_libraries(std::span<const MappedModule> brought_in,
                                              std::span<const MappedModule> left_behind = {});

// A module that keeps another one mapped.
struct Dependent {
  ModuleIdentity module;
  bool linked = false;  // with it; else bound to its symbols
};
// One for each of these, in their order.
std::vector<std::optional<Dependent>> find_dependents(std::span<const ModuleIdentity> modules);

// Whether any module lies there.
bool is_occupied(std::uintptr_t begin, std::size_t bytes);

// What the platform tells of a module: the names that others may need it by, and the names of what it needs.
struct ListedModule {
  MappedModule module;
  std::vector<std::string> names;
  std::vector<std::string> needs;
  const berth_allocator* plugin_new_handle = nullptr;  // whose operator new it has (find_user)
};

// All modules in the order of loading: what a module has brought in comes behind it, and a name that a module needs is
// answered by the first in the list that has it.
std::vector<ListedModule> list_modules();

// For each of these a module that need not be linked with it, and is bound to its symbols; in their order.
std::vector<std::optional<ModuleIdentity>> find_bound(std::span<const MappedModule> modules);

}  // namespace berth::detail
