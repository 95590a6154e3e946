// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Which plugin a module belongs to, over all Hosts, so that a report can name the plugin that keeps another one.
#pragma once

#include <span>
#include <string>

#include "host_api/src/modules/module_graph.hpp"

namespace berth::detail {

// Entries sit in a list of the owners themselves: the process keeps nothing when there are none.
class ModuleOwner {
 public:
  ModuleOwner() = default;
  ModuleOwner(const ModuleOwner&) = delete;
  ModuleOwner& operator=(const ModuleOwner&) = delete;
  ~ModuleOwner() { withdraw(); }

  // The two stay as they are until withdraw(). [any thread]
  void announce(const std::string& plugin, std::span<const MappedModule> modules) noexcept;
  void withdraw() noexcept;

  // The plugin's name; empty if the module is no plugin's. [any thread]
  static std::string of(const ModuleIdentity& module);

 private:
  const std::string* plugin_ = nullptr;
  std::span<const MappedModule> modules_;
  ModuleOwner* next_ = nullptr;
};

}  // namespace berth::detail
