// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Which modules a module has opened itself and not closed. The loader counts the references to a module and does not
// say whose they are; what a module with berth::plugin_new opens it counts itself (hosts/part_account.hpp).
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "host_api/src/modules/module_inspection.hpp"

namespace berth::detail {

struct OpenedModule {
  ModuleIdentity identity;
  bool is_listed = true;  // false: in another namespace of the loader (dlmopen), where only its name can be told
};

// What the mapped module has opened by its own count and has not closed, and what is still mapped of it.
std::vector<OpenedModule> opened_by(const ModuleIdentity& module);

// Whether it opens modules of which nobody keeps count.
bool opens_uncounted(const ModuleIdentity& module);

// A module's count for longer than the module is mapped: from keep() on the module writes here. Outlives the module, or
// is never destroyed.
class KeptCount {
 public:
  KeptCount() noexcept;
  KeptCount(const KeptCount&) = delete;
  KeptCount& operator=(const KeptCount&) = delete;
  ~KeptCount();

  // Of a mapped module; nothing where it keeps no count. Again: no effect.
  void keep(const ModuleIdentity& module);
  // As opened_by(); nothing before keep().
  std::vector<OpenedModule> opened() const;
  // References that found no place in the count.
  std::uint64_t uncounted() const noexcept;

 private:
  struct Table;
  std::unique_ptr<Table> table_;
};

}  // namespace berth::detail
