// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// What a mapped module takes from other modules, as far as it tells whose memory the module uses.
#pragma once

#include <string>
#include <vector>

#include "berth/allocator.h"
#include "host_api/src/modules/module_inspection.hpp"

namespace berth::detail {

struct ModuleImports {
  std::vector<std::string> names;  // of symbols, as the linker knows them; on Windows of allocators alone
  std::vector<std::string> needs;  // the libraries that it was linked with
  bool has_plugin_new = false;
  const berth_allocator* plugin_new_handle = nullptr;  // the instance that its operator new uses
};

// Nothing of a module that is not mapped.
ModuleImports imports_of(const ModuleIdentity& module);

}  // namespace berth::detail
