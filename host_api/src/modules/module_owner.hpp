// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Which plugin a module belongs to, over all Hosts, so that a report can name the plugin that keeps another one, and a
// refused load the one that has its path.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "host_api/src/modules/module_graph.hpp"

namespace berth::detail {

// Of a plugin's modules one entry each, in a table's rows by themselves: the process keeps nothing when there are none.
class ModuleOwner {
 public:
  ModuleOwner() = default;
  ModuleOwner(const ModuleOwner&) = delete;
  ModuleOwner& operator=(const ModuleOwner&) = delete;
  ~ModuleOwner() { withdraw(); }

  // The plugin's own module is the first of them. [any thread]
  void announce(const std::string& plugin, std::span<const MappedModule> modules);
  // The plugin has told another name.
  void rename(std::string plugin) noexcept;
  void withdraw() noexcept;

  struct Answer {
    std::string plugin;    // its name; empty if the module is no plugin's
    bool library = false;  // that has come with it, not its own module
  };
  // [any thread]
  static Answer of(const ModuleIdentity& module);

 private:
  struct Entry {
    ModuleIdentity module;
    const ModuleOwner* owner;
    Entry* next = nullptr;   // in the row
    Entry** link = nullptr;  // what leads to this one
  };
  static constexpr std::size_t kRows = 256;
  static Entry*& row_of(const ModuleIdentity& module) noexcept;
  static Entry* rows[kRows];

  std::string plugin_;
  std::vector<Entry> entries_;
};

}  // namespace berth::detail
