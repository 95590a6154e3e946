// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// module_imports.hpp for ELF: by the relocations, which name what is used, whatever the hash tables say.
#include "host_api/src/hosts/notes_linux.hpp"
#include "host_api/src/metering/module_imports.hpp"
#include "host_api/src/modules/elf_image_linux.hpp"
#include "host_api/src/modules/module_list_linux.hpp"

namespace berth::detail {

ModuleImports imports_of(const ModuleIdentity& module) {
  ModuleImports imports;
  any_module([&](const dl_phdr_info& info) {
    if (!matches(info, module)) return false;
    const ElfImage image(info);
    image.for_each_import([&](const char* name) { imports.names.emplace_back(name); });
    image.for_each_needed([&](std::string_view name) { imports.needs.emplace_back(name); });
    imports.has_plugin_new = find_note(info, Note::Handle, sizeof(void*)) != nullptr;
    imports.plugin_new_handle = image.plugin_new_handle();
    return true;
  });
  return imports;
}

}  // namespace berth::detail
