// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// What an unload asks about modules, of one plugin or of hundreds: asked for one at a time, or looked up in a snapshot
// that was taken for all, so that a reap costs no more for each when there are more.
#pragma once

#include <optional>
#include <unordered_map>
#include <vector>

#include "host_api/src/modules/module_inspection.hpp"
#include "host_api/src/modules/module_snapshot.hpp"

namespace berth::detail {

class Modules {
 public:
  // From now on the answers are of this moment. Nobody may close modules between this and the last question.
  void look() { now_.emplace(); }
  // Has why_still_mapped() ready for these, of which those count that are mapped. look() came before.
  void ask(std::vector<ModuleIdentity> modules);
  void forget() noexcept;

  bool is_mapped(const ModuleIdentity& module) const;
  std::optional<ModuleIdentity> find_user(const berth_allocator* instance) const;
  Obstacle why_still_mapped(const ModuleIdentity& module) const;
  bool is_caller_closing();

  // Its code was remembered as a departed plugin's: settle() takes that back where another module lies there by then.
  // Who loads one there looks for what is remembered once it is mapped, so one of the two sees the other.
  void was_remembered(const MappedModule& module);
  void settle() noexcept;

 private:
  std::optional<ModuleSnapshot> now_;
  std::unordered_map<std::uintptr_t, Obstacle> obstacles_;  // by base, of those mapped
  std::optional<bool> caller_closing_;
  std::vector<MappedModule> remembered_;
};

}  // namespace berth::detail
