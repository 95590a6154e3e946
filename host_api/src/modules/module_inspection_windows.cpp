// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// module_inspection.hpp for the loader of Windows.
#include <windows.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <utility>

#include "host_api/src/modules/module_graph.hpp"
#include "host_api/src/modules/module_inspection.hpp"
#include "host_api/src/modules/module_list_windows.hpp"
#include "host_api/src/modules/pe_image_windows.hpp"

namespace berth::detail {

namespace {

std::error_code last_error() noexcept { return {static_cast<int>(::GetLastError()), std::system_category()}; }

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

std::optional<FileIdentity> identify_file(const std::filesystem::path& path, std::error_code& error) noexcept {
  // Without a right to anything, so that nobody's use of the file is in the way. The flag opens folders, too.
  const HANDLE file = ::CreateFileW(path.c_str(), 0, FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE, nullptr,
                                    OPEN_EXISTING, FILE_FLAG_BACKUP_SEMANTICS, nullptr);
  BY_HANDLE_FILE_INFORMATION told;
  const bool known = file != INVALID_HANDLE_VALUE && ::GetFileInformationByHandle(file, &told) != 0;
  if (!known) error = last_error();
  if (file != INVALID_HANDLE_VALUE) ::CloseHandle(file);
  if (!known) return std::nullopt;
  return FileIdentity{told.dwVolumeSerialNumber, (std::uint64_t{told.nFileIndexHigh} << 32) | told.nFileIndexLow};
}

std::string module_file_defect(const std::filesystem::path& path) {
  std::error_code error;
  if (!std::filesystem::is_regular_file(path, error)) return "it is no plain file";
  const std::uintmax_t size = std::filesystem::file_size(path, error);
  if (error) return error.message();
  std::ifstream file(path, std::ios::binary);
  const auto read = [&](std::uintmax_t place, auto& into) -> bool {
    file.seekg(static_cast<std::streamoff>(place));
    return static_cast<bool>(file.read(reinterpret_cast<char*>(&into), sizeof(into)));
  };
  // What is no module at all, the loader tells.
  IMAGE_DOS_HEADER start{};
  IMAGE_NT_HEADERS headers{};
  if (!read(0, start) || start.e_magic != IMAGE_DOS_SIGNATURE) return {};
  const std::string cut_off = "it is cut off: " + std::to_string(size) + " bytes";
  const auto at = static_cast<std::uintmax_t>(start.e_lfanew);
  if (!read(at, headers)) return cut_off + ", not even all of its headers";
  if (headers.Signature != IMAGE_NT_SIGNATURE) return {};
  const std::uintmax_t sections =
      at + offsetof(IMAGE_NT_HEADERS, OptionalHeader) + headers.FileHeader.SizeOfOptionalHeader;
  std::uintmax_t needed = 0;
  for (unsigned i = 0; i < headers.FileHeader.NumberOfSections; ++i) {
    IMAGE_SECTION_HEADER section{};
    if (!read(sections + i * sizeof(section), section)) return cut_off + ", not even all of its headers";
    // The rest of a section's last block in the file may be missing.
    const std::uintmax_t used = std::min(section.SizeOfRawData, section.Misc.VirtualSize);
    if (used != 0) needed = std::max(needed, section.PointerToRawData + used);
  }
  return needed <= size ? std::string() : cut_off + " of " + std::to_string(needed);
}

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
bool is_loaded(const std::filesystem::path& path) noexcept {
  HMODULE module = nullptr;
  if (::GetModuleHandleExW(GET_MODULE_HANDLE_EX_FLAG_UNCHANGED_REFCOUNT, path.c_str(), &module) != 0) return true;
  try {
    std::error_code error;
    const std::optional<FileIdentity> file = identify_file(path, error);
    if (!file) return false;
    const std::vector<ListedModule> modules = list_modules();
    return std::ranges::any_of(modules, [&](const ListedModule& listed) {
      return identify_file(std::filesystem::path(listed.module.identity.name), error) == file;
    });
  } catch (...) {  // out of memory: the loader will have none either
    return false;
  }
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

Obstacle why_it_stays_itself(const ModuleIdentity& module) {
  const bool pinned = any_module([&](const LoaderEntry& entry) { return matches(entry, module) && entry.pinned; });
  if (!pinned) return {};
  return {Cause::NoDelete, "somebody has pinned it (GET_MODULE_HANDLE_EX_FLAG_PIN), for ever"};
}

Obstacle why_it_is_referenced(const ModuleIdentity&) {
  return {Cause::OtherReference,
          "another open reference: somebody has loaded it too (LoadLibrary), nobody can tell who"};
}

void prompt_unmapping(const ModuleIdentity&) noexcept {}  // it goes with its last reference

void close_handle(void* native_handle) noexcept { ::FreeLibrary(static_cast<HMODULE>(native_handle)); }

std::string loader_error(const std::filesystem::path&, const std::error_code& error) {
  std::string text = error.message() + " (Windows error " + std::to_string(error.value()) + ")";
  if (error.value() == ERROR_MOD_NOT_FOUND) text += ", a library that it needs is missing";
  if (error.value() == ERROR_PROC_NOT_FOUND) text += ", a library that it needs lacks a function";
  return text;
}

}  // namespace berth::detail
