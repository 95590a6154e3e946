// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// module_inspection.hpp for the loader of Windows.
#include <windows.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <utility>

#include "host_api/src/modules/module_file_windows.hpp"
#include "host_api/src/modules/module_graph.hpp"
#include "host_api/src/modules/module_inspection.hpp"
#include "host_api/src/modules/module_list_windows.hpp"
#include "host_api/src/modules/pe_image_windows.hpp"

namespace berth::detail {

namespace {

// The module that an address lies in.
HMODULE module_at(const void* address) noexcept {
  HMODULE module = nullptr;
  ::GetModuleHandleExW(GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS | GET_MODULE_HANDLE_EX_FLAG_UNCHANGED_REFCOUNT,
                       static_cast<const wchar_t*>(address), &module);
  return module;
}

void* address_in(HMODULE module, const char* name) noexcept {
  return reinterpret_cast<void*>(::GetProcAddress(module, name));
}

// A module leaves the loader's list before its memory goes.
bool is_image_mapped_at(std::uintptr_t base) noexcept {
  MEMORY_BASIC_INFORMATION region;
  return ::VirtualQuery(reinterpret_cast<const void*>(base), &region, sizeof(region)) == sizeof(region) &&
         region.Type == MEM_IMAGE && reinterpret_cast<std::uintptr_t>(region.AllocationBase) == base;
}

}  // namespace

std::optional<ModuleIdentity> identify_module(void* native_handle) {
  if (native_handle == ::GetModuleHandleW(nullptr)) return std::nullopt;
  std::optional<ModuleIdentity> module;
  any_module([&](const LoaderEntry& entry) {
    if (entry.base != reinterpret_cast<std::uintptr_t>(native_handle)) return false;
    module = identity_of(entry);
    return true;
  });
  return module;
}

// By its path, or by another that leads to the same file.
std::optional<ModuleIdentity> find_loaded(const std::filesystem::path& path) {
  HMODULE module = nullptr;
  if (::GetModuleHandleExW(GET_MODULE_HANDLE_EX_FLAG_UNCHANGED_REFCOUNT, path.c_str(), &module) != 0) {
    return identify_module(module).value_or(ModuleIdentity{});
  }
  const std::optional<FileIdentity> file = identify_file(path);
  if (!file) return std::nullopt;
  for (ListedModule& listed : list_modules()) {
    if (identify_file(std::filesystem::path(listed.module.identity.name)) == file) {
      return std::move(listed.module.identity);
    }
  }
  return std::nullopt;
}

bool is_mapped(const ModuleIdentity& module) noexcept {
  if (module.name.empty()) return false;
  bool other = false;
  const bool listed = any_module([&](const LoaderEntry& entry) {
    if (entry.base != module.base) return false;
    other = !matches(entry, module);
    return true;
  });
  return listed ? !other : is_image_mapped_at(module.base);
}

std::vector<CodeRange> code_of(const ModuleIdentity& module) {
  std::vector<CodeRange> code;
  any_module([&](const LoaderEntry& entry) {
    if (!matches(entry, module)) return false;
    const PeImage image(entry.base);
    for (const IMAGE_SECTION_HEADER& section : image.sections()) {
      if ((section.Characteristics & IMAGE_SCN_MEM_EXECUTE) == 0) continue;
      const std::uintptr_t begin = image.begin_of(section);
      const bool readable = (section.Characteristics & IMAGE_SCN_MEM_READ) != 0;
      code.push_back({begin + std::max(section.Misc.VirtualSize, section.SizeOfRawData), begin, readable});
    }
    return true;
  });
  return code;
}

std::optional<ModuleIdentity> find_user(const berth_allocator* instance) {
  std::optional<ModuleIdentity> user;
  any_module([&](const LoaderEntry& entry) {
    if (PeImage(entry.base).plugin_new_handle() != instance) return false;
    user = identity_of(entry);
    return true;
  });
  return user;
}

// The system looks in the one module only; the libraries that came with it are asked one by one.
void* find_symbol_address(void* native_handle, const char* name) noexcept {
  if (void* address = address_in(static_cast<HMODULE>(native_handle), name)) return address;
  try {
    const std::optional<ModuleIdentity> module = identify_module(native_handle);
    if (!module) return nullptr;
    for (const MappedModule& library : brought_in_by(*module)) {
      if (void* address = address_in(reinterpret_cast<HMODULE>(library.identity.base), name)) return address;
    }
  } catch (...) {  // out of memory
  }
  return nullptr;
}

void* find_own_symbol_address(void* native_handle, const ModuleIdentity&, const char* name) noexcept {
  void* const address = address_in(static_cast<HMODULE>(native_handle), name);
  return address != nullptr && module_at(address) == native_handle ? address : nullptr;
}

// There is no such table: up to the end of its section.
std::size_t symbol_size(const void* address) noexcept {
  const auto place = reinterpret_cast<std::uintptr_t>(address);
  const auto base = reinterpret_cast<std::uintptr_t>(module_at(address));
  if (base == 0) return 0;
  const PeImage image(base);
  for (const IMAGE_SECTION_HEADER& section : image.sections()) {
    const std::uintptr_t offset = place - image.begin_of(section);
    if (offset < section.Misc.VirtualSize) return section.Misc.VirtualSize - offset;
  }
  return 0;
}

std::vector<Obstacle> why_they_stay_themselves(std::span<const ModuleIdentity> modules) {
  std::vector<Obstacle> obstacles(modules.size());
  any_module([&](const LoaderEntry& entry) {
    for (std::size_t place = 0; entry.pinned && place < modules.size(); ++place) {
      if (!matches(entry, modules[place])) continue;
      obstacles[place] = {Cause::NoDelete, "somebody has pinned it (GET_MODULE_HANDLE_EX_FLAG_PIN), for ever"};
    }
    return false;
  });
  return obstacles;
}

std::vector<Obstacle> why_they_are_referenced(std::span<const ModuleIdentity> modules) {
  return std::vector<Obstacle>(
      modules.size(),
      {Cause::OtherReference, "another open reference: somebody has loaded it too (LoadLibrary), nobody can tell who"});
}

bool lies_unlisted(const ModuleIdentity& module) noexcept { return is_image_mapped_at(module.base); }

void prompt_unmapping(const ModuleIdentity&) noexcept {}  // it goes with its last reference

void close_handle(void* native_handle) noexcept { ::FreeLibrary(static_cast<HMODULE>(native_handle)); }

std::string loader_error(const std::filesystem::path&, const std::error_code& error) {
  std::string text = error.message() + " (Windows error " + std::to_string(error.value()) + ")";
  if (error.value() == ERROR_MOD_NOT_FOUND) text += ", a library that it needs is missing";
  if (error.value() == ERROR_PROC_NOT_FOUND) text += ", a library that it needs lacks a function";
  return text;
}

}  // namespace berth::detail
