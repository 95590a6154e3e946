// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// All modules as they were at one moment, for who asks about many of them: one walk of the loader's list, where a walk
// for each question would cost the square of their number.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <unordered_map>
#include <vector>

#include "berth/allocator.h"
#include "host_api/src/modules/module_graph.hpp"

namespace berth::detail {

class ModuleSnapshot {
 public:
  ModuleSnapshot();

  // As the functions of these names answered at that moment (module_inspection.hpp, module_graph.hpp).
  bool is_mapped(const ModuleIdentity& module) const noexcept;
  std::optional<ModuleIdentity> find_user(const berth_allocator* instance) const;
  bool is_occupied(std::uintptr_t begin, std::size_t bytes) const noexcept;

 private:
  std::vector<ListedModule> modules_;  // by their first address
  std::unordered_multimap<std::uintptr_t, std::size_t> by_base_;
  std::unordered_map<const berth_allocator*, std::size_t> users_;  // the first in the order of loading
};

}  // namespace berth::detail
