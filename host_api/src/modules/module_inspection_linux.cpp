// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// module_inspection.hpp for glibc's loader.
#include <dlfcn.h>
#include <link.h>

#include <cstring>
#include <filesystem>
#include <span>
#include <unordered_map>
#include <utility>

#include "host_api/src/modules/elf_image_linux.hpp"
#include "host_api/src/modules/loader_lock.hpp"
#include "host_api/src/modules/module_inspection.hpp"
#include "host_api/src/modules/module_list_linux.hpp"

namespace berth::detail {

namespace {

// What one module's own image tells about why it stays.
Obstacle obstacle_in(const ElfImage& image) {
  if (image.no_delete()) return {Cause::NoDelete, "it was linked with -z nodelete (DF_1_NODELETE)"};
  constexpr std::size_t kNamed = 3;
  std::size_t count = 0;
  std::string names;
  image.for_each_symbol([&](const char* name, const ElfW(Sym) & symbol) {
    if (ELF64_ST_BIND(symbol.st_info) != STB_GNU_UNIQUE || symbol.st_shndx == SHN_UNDEF) return true;
    if (count++ < kNamed) names += (names.empty() ? "" : ", ") + demangle(name);
    return true;
  });
  if (count == 0) return {};
  if (count > kNamed) names += " and " + std::to_string(count - kNamed) + " more";
  return {Cause::UniqueSymbols, "GNU_UNIQUE symbols pin it for ever: " + names + " (compile it with -fno-gnu-unique)"};
}

bool uses_thread_exit(const ElfImage& image) {
  bool found = false;
  image.for_each_symbol([&](const char* name, const ElfW(Sym) & symbol) {
    found = symbol.st_shndx == SHN_UNDEF &&
            (std::strcmp(name, "__cxa_thread_atexit") == 0 || std::strcmp(name, "__cxa_thread_atexit_impl") == 0);
    return !found;
  });
  return found;
}

// use(place, image) for each of these that is mapped, in one walk.
template <typename Use>
void for_each_of(std::span<const ModuleIdentity> modules, Use use) {
  std::unordered_multimap<std::uintptr_t, std::size_t> by_base;
  for (std::size_t place = 0; place < modules.size(); ++place) by_base.emplace(modules[place].base, place);
  any_module([&](const dl_phdr_info& info) {
    const auto [first, last] = by_base.equal_range(info.dlpi_addr);
    for (auto found = first; found != last; ++found) {
      if (matches(info, modules[found->second])) use(found->second, ElfImage(info));
    }
    return false;
  });
}

}  // namespace

std::optional<ModuleIdentity> identify_module(void* native_handle) {
  link_map* map = nullptr;
  if (::dlinfo(native_handle, RTLD_DI_LINKMAP, &map) != 0 || map == nullptr) return std::nullopt;
  ModuleIdentity module{map->l_addr, map->l_name};
  if (module.name.empty() || !is_mapped(module)) return std::nullopt;
  return module;
}

std::optional<ModuleIdentity> find_loaded(const std::filesystem::path& path) {
  const LoaderLock lock;
  void* const handle = ::dlopen(path.c_str(), RTLD_LAZY | RTLD_NOLOAD);
  if (handle == nullptr) return std::nullopt;
  struct Reference {
    void* handle;
    ~Reference() { ::dlclose(handle); }
  } const reference{handle};
  link_map* map = nullptr;
  if (::dlinfo(handle, RTLD_DI_LINKMAP, &map) != 0 || map == nullptr) return ModuleIdentity{};
  return ModuleIdentity{map->l_addr, map->l_name};
}

bool is_mapped(const ModuleIdentity& module) noexcept {
  if (module.name.empty()) return false;
  return any_module([&](const dl_phdr_info& info) { return matches(info, module); });
}

std::vector<CodeRange> code_of(const ModuleIdentity& module) {
  std::vector<CodeRange> code;
  any_module([&](const dl_phdr_info& info) {
    if (!matches(info, module)) return false;
    for (const ElfW(Phdr) & segment : std::span(info.dlpi_phdr, info.dlpi_phnum)) {
      if (segment.p_type != PT_LOAD || (segment.p_flags & PF_X) == 0) continue;
      const std::uintptr_t begin = info.dlpi_addr + segment.p_vaddr;
      code.push_back({begin + segment.p_memsz, begin, (segment.p_flags & PF_R) != 0});
    }
    return true;
  });
  return code;
}

std::optional<ModuleIdentity> find_user(const berth_allocator* instance) {
  std::optional<ModuleIdentity> user;
  any_module([&](const dl_phdr_info& info) {
    if (ElfImage(info).plugin_new_handle() != instance) return false;
    user = ModuleIdentity{info.dlpi_addr, info.dlpi_name};
    return true;
  });
  return user;
}

void* find_symbol_address(void* native_handle, const char* name) noexcept { return ::dlsym(native_handle, name); }

void* find_own_symbol_address(void* native_handle, const ModuleIdentity& module, const char* name) noexcept {
  void* const address = ::dlsym(native_handle, name);
  Dl_info info;
  void* map = nullptr;
  if (address == nullptr || ::dladdr1(address, &info, &map, RTLD_DL_LINKMAP) == 0) return nullptr;
  return static_cast<const link_map*>(map)->l_addr == module.base ? address : nullptr;
}

std::size_t symbol_size(const void* address) noexcept {
  Dl_info info;
  void* symbol = nullptr;
  if (::dladdr1(address, &info, &symbol, RTLD_DL_SYMENT) == 0 || symbol == nullptr) return 0;
  return info.dli_saddr == address ? static_cast<const ElfW(Sym)*>(symbol)->st_size : 0;
}

std::vector<Obstacle> why_they_stay_themselves(std::span<const ModuleIdentity> modules) {
  std::vector<Obstacle> obstacles(modules.size());
  for_each_of(modules, [&](std::size_t place, const ElfImage& image) { obstacles[place] = obstacle_in(image); });
  return obstacles;
}

std::vector<Obstacle> why_they_are_referenced(std::span<const ModuleIdentity> modules) {
  std::vector<Obstacle> obstacles(
      modules.size(),
      {Cause::OtherReference, "another open reference: somebody has opened it too (dlopen), nobody can tell who"});
  for_each_of(modules, [&](std::size_t place, const ElfImage& image) {
    if (!uses_thread_exit(image)) return;
    obstacles[place] = {
        Cause::ThreadLocal,
        "a thread that has used its thread_local objects is still alive, or somebody else has opened it too"};
  });
  return obstacles;
}

bool lies_unlisted(const ModuleIdentity&) noexcept { return false; }

void prompt_unmapping(const ModuleIdentity& module) noexcept {
  const LoaderLock lock;
  if (void* handle = ::dlopen(module.name.c_str(), RTLD_LAZY | RTLD_NOLOAD)) ::dlclose(handle);
}

void close_handle(void* native_handle) noexcept {
  const LoaderLock lock;
  ::dlclose(native_handle);
}

// The error is the same for every cause.
std::string loader_error(const std::filesystem::path& path, const std::error_code&) {
  const char* told = ::dlerror();
  const std::string text = told != nullptr ? told : "the loader gives no reason";
  const std::string file = path.string() + ": ";
  return text.starts_with(file) ? text.substr(file.size()) : text;
}

}  // namespace berth::detail
