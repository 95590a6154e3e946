// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// module_graph.hpp for glibc's loader, which lists modules in the order of loading.
#include <algorithm>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "host_api/src/modules/elf_image_linux.hpp"
#include "host_api/src/modules/module_graph.hpp"
#include "host_api/src/modules/module_list_linux.hpp"

namespace berth::detail {

namespace {

MappedModule mapped_module(const dl_phdr_info& info) {
  std::uintptr_t begin = UINTPTR_MAX;
  std::uintptr_t end = 0;
  for (const ElfW(Phdr) & segment : std::span(info.dlpi_phdr, info.dlpi_phnum)) {
    if (segment.p_type != PT_LOAD) continue;
    begin = std::min<std::uintptr_t>(begin, info.dlpi_addr + segment.p_vaddr);
    end = std::max<std::uintptr_t>(end, info.dlpi_addr + segment.p_vaddr + segment.p_memsz);
  }
  return {{info.dlpi_addr, info.dlpi_name}, begin, end > begin ? end - begin : 0, false};
}

ListedModule listed_module(const dl_phdr_info& info) {
  const ElfImage image(info);
  ListedModule listed{mapped_module(info), {}, {}, image.plugin_new_handle()};
  const std::string_view path = info.dlpi_name;
  for (const std::string_view name : {path, path.substr(path.rfind('/') + 1), image.soname()}) {
    if (!name.empty()) listed.names.emplace_back(name);
  }
  image.for_each_needed([&](std::string_view name) { listed.needs.emplace_back(name); });
  return listed;
}

// Whether the loader finds it by what another module's list of needs has.
bool goes_by(const dl_phdr_info& info, std::string_view name) noexcept {
  const std::string_view path = info.dlpi_name;
  return path == name || path.substr(path.rfind('/') + 1) == name || ElfImage(info).soname() == name;
}

}  // namespace

std::vector<ModuleIdentity> all_needed_by(const ModuleIdentity& module) {
  std::vector<ModuleIdentity> needed;
  with_modules([&](std::span<const dl_phdr_info> all) {
    const auto start = std::ranges::find_if(all, [&](const dl_phdr_info& info) { return matches(info, module); });
    if (start == all.end()) return;
    std::vector<const dl_phdr_info*> reached = {&*start};
    for (std::size_t next = 0; next < reached.size(); ++next) {
      ElfImage(*reached[next]).for_each_needed([&](std::string_view name) {
        // The first; of what many need that is one of the first in the list.
        const auto found = std::ranges::find_if(all, [&](const dl_phdr_info& info) { return goes_by(info, name); });
        if (found == all.end() || std::ranges::find(reached, &*found) != reached.end()) return;
        reached.push_back(&*found);
        needed.push_back({found->dlpi_addr, found->dlpi_name});
      });
    }
  });
  return needed;
}

std::vector<ListedModule> list_modules() {
  std::vector<ListedModule> modules;
  any_module([&](const dl_phdr_info& info) {
    modules.push_back(listed_module(info));
    return false;
  });
  return modules;
}

bool is_occupied(std::uintptr_t begin, std::size_t bytes) {
  return any_module([&](const dl_phdr_info& info) {
    const MappedModule other = mapped_module(info);
    return other.begin < begin + bytes && begin < other.begin + other.bytes;
  });
}

}  // namespace berth::detail
