// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Who is bound to whose symbols, from what the loader has written into each module. It keeps a module for as long as
// one is mapped that it has bound to it, and tells nobody. A word that leads into a module is a binding only if that
// module has the symbol there: a program may have put a pointer of its own into it since.
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <functional>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "host_api/src/modules/elf_image_linux.hpp"
#include "host_api/src/modules/module_graph.hpp"
#include "host_api/src/modules/module_list_linux.hpp"

namespace berth::detail {

namespace {

struct Target {
  std::size_t number;  // in what was asked
  std::uintptr_t begin;
  std::size_t bytes;
  const dl_phdr_info* info;
};

// The modules asked for that are mapped, in the order of their addresses.
class Targets {
 public:
  Targets(std::span<const MappedModule> asked, std::span<const dl_phdr_info> modules) {
    std::unordered_multimap<std::uintptr_t, std::size_t> by_base;
    for (std::size_t number = 0; number < asked.size(); ++number) by_base.emplace(asked[number].identity.base, number);
    for (const dl_phdr_info& info : modules) {
      const auto [first, last] = by_base.equal_range(info.dlpi_addr);
      for (auto found = first; found != last; ++found) {
        const MappedModule& module = asked[found->second];
        if (matches(info, module.identity)) targets_.push_back({found->second, module.begin, module.bytes, &info});
      }
    }
    std::ranges::sort(targets_, {}, &Target::begin);
    for (const Target& target : targets_) {
      if (target.info->dlpi_tls_modid == 0) continue;
      by_thread_module_.emplace(target.info->dlpi_tls_modid, &target);
      ElfImage(*target.info).for_each_symbol([&](const char* name, const ElfW(Sym) & symbol) {
        const bool own = symbol.st_shndx != SHN_UNDEF && ELF64_ST_TYPE(symbol.st_info) == STT_TLS;
        if (own) by_thread_symbol_.emplace(name, &target);
        return true;
      });
    }
  }

  // The one that a binding may lead to.
  const Target* find(const ElfImage::Binding& binding) const {
    if (binding.in_thread && binding.value == 0) {
      const auto found = by_thread_symbol_.find(binding.name);
      return found != by_thread_symbol_.end() ? found->second : nullptr;
    }
    if (binding.in_thread) {
      const auto found = by_thread_module_.find(binding.value);
      return found != by_thread_module_.end() ? found->second : nullptr;
    }
    const auto next = std::ranges::upper_bound(targets_, binding.value, {}, &Target::begin);
    if (next == targets_.begin()) return nullptr;
    const Target& target = *(next - 1);
    return binding.value - target.begin < target.bytes ? &target : nullptr;
  }

  bool empty() const { return targets_.empty(); }

 private:
  std::vector<Target> targets_;
  std::unordered_map<std::size_t, const Target*> by_thread_module_;
  std::unordered_map<std::string_view, const Target*> by_thread_symbol_;
};

}  // namespace

std::vector<std::optional<ModuleIdentity>> find_bound(std::span<const MappedModule> asked) {
  std::vector<std::optional<ModuleIdentity>> bound(asked.size());
  with_modules([&](std::span<const dl_phdr_info> modules) {
    const Targets targets(asked, modules);
    if (targets.empty()) return;
    for (const dl_phdr_info& info : modules) {
      ElfImage(info).for_each_binding([&](const ElfImage::Binding& binding) {
        const Target* const target = targets.find(binding);
        if (target == nullptr || target->info == &info || bound[target->number]) return;
        if (ElfImage(*target->info).defines(binding)) {
          bound[target->number] = ModuleIdentity{info.dlpi_addr, info.dlpi_name};
        }
      });
    }
  });
  return bound;
}

}  // namespace berth::detail
