// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// module_imports.hpp for PE. The C runtime's start-up code, which is in every module, imports allocators as well.
#include "host_api/src/metering/module_imports.hpp"
#include "host_api/src/modules/allocating_functions.hpp"
#include "host_api/src/modules/module_list_windows.hpp"
#include "host_api/src/modules/pe_image_windows.hpp"

namespace berth::detail {

ModuleImports imports_of(const ModuleIdentity& module) {
  ModuleImports imports;
  any_module([&](const LoaderEntry& entry) {
    if (!matches(entry, module)) return false;
    const PeImage image(entry.base);
    for (const AllocatingFunction& function : kAllocatingFunctions) {
      if (image.import_slot(function.name) != nullptr) imports.names.emplace_back(function.name);
    }
    for (const char* const name : {"_Znwy", "_Znay"}) {
      if (image.import_slot(name) != nullptr) imports.names.emplace_back(name);
    }
    image.for_each_needed([&](std::string_view name) { imports.needs.emplace_back(name); });
    imports.plugin_new_handle = image.plugin_new_handle();
    imports.has_plugin_new = imports.plugin_new_handle != nullptr;
    return true;
  });
  return imports;
}

}  // namespace berth::detail
