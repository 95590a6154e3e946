// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// opened_modules.hpp for glibc's loader. A handle is the address of the loader's description of the module, which is
// compared and never followed: the module may have gone.
#include <link.h>
#include <sys/auxv.h>

#include <cstring>
#include <span>
#include <string_view>

#include "host_api/src/hosts/notes_linux.hpp"
#include "host_api/src/hosts/part_account.hpp"
#include "host_api/src/modules/elf_image_linux.hpp"
#include "host_api/src/modules/module_list_linux.hpp"
#include "host_api/src/modules/opened_modules.hpp"

namespace berth::detail {

namespace {

// The loader's lists of modules, the process' own namespace first; as a debugger finds them, by the program's dynamic
// section (a variable of that name may be a copy).
const r_debug* debugger_lists() noexcept {
  const std::span<const ElfW(Phdr)> segments(reinterpret_cast<const ElfW(Phdr)*>(::getauxval(AT_PHDR)),
                                             ::getauxval(AT_PHNUM));
  ElfW(Addr) base = 0;
  for (const ElfW(Phdr) & segment : segments) {
    if (segment.p_type == PT_PHDR) base = reinterpret_cast<ElfW(Addr)>(segments.data()) - segment.p_vaddr;
  }
  for (const ElfW(Phdr) & segment : segments) {
    if (segment.p_type != PT_DYNAMIC) continue;
    for (const auto* entry = reinterpret_cast<const ElfW(Dyn)*>(base + segment.p_vaddr); entry->d_tag != DT_NULL;
         ++entry) {
      if (entry->d_tag == DT_DEBUG) return reinterpret_cast<const r_debug*>(entry->d_un.d_ptr);
    }
  }
  return nullptr;
}

const r_debug* next_space(const r_debug* lists) noexcept {
#if __GLIBC_PREREQ(2, 35)
  if (lists->r_version >= 2) return &reinterpret_cast<const r_debug_extended*>(lists)->r_next->base;
#endif
  static_cast<void>(lists);
  return nullptr;
}

// The modules that the table counts and that are mapped, but the program.
std::vector<OpenedModule> find_counted(const PartTable& table) {
  std::vector<OpenedModule> opened;
  if (table.is_empty()) return opened;
  const r_debug* const lists = debugger_lists();
  if (lists == nullptr) return opened;
  any_module([&](const dl_phdr_info&) {  // for the lock, which is that of all lists
    for (const r_debug* space = lists; space != nullptr; space = next_space(space)) {
      for (const link_map* map = space->r_map; map != nullptr; map = map->l_next) {
        const bool is_program = space == lists && map == space->r_map;
        if (!is_program && table.has(map)) opened.push_back({{map->l_addr, map->l_name}, false});
      }
    }
    return true;
  });
  for (OpenedModule& module : opened) module.is_listed = is_mapped(module.identity);
  return opened;
}

PartAccount* account_of(const dl_phdr_info& info) noexcept {
  auto* const account = static_cast<PartAccount*>(find_note(info, Note::Parts, sizeof(PartAccount)));
  return account != nullptr && account->struct_size >= sizeof(PartAccount) ? account : nullptr;
}

}  // namespace

struct KeptCount::Table : PartTable {};

KeptCount::KeptCount() noexcept = default;
KeptCount::~KeptCount() = default;

std::vector<OpenedModule> opened_by(const ModuleIdentity& module) {
  PartTable table;
  const bool found = any_module([&](const dl_phdr_info& info) {
    if (!matches(info, module)) return false;
    PartAccount* const account = account_of(info);
    if (account != nullptr) table.copy_from(account->table());
    return account != nullptr;
  });
  return found ? find_counted(table) : std::vector<OpenedModule>();
}

// What berth::plugin_new counts binds inside the module, and is no import.
bool opens_uncounted(const ModuleIdentity& module) {
  bool opens = false;
  any_module([&](const dl_phdr_info& info) {
    if (!matches(info, module)) return false;
    ElfImage(info).for_each_import(
        [&](std::string_view name) { opens = opens || name == "dlopen" || name == "dlmopen"; });
    return true;
  });
  return opens;
}

void KeptCount::keep(const ModuleIdentity& module) {
  if (table_ != nullptr) return;
  auto table = std::make_unique<Table>();
  any_module([&](const dl_phdr_info& info) {
    if (!matches(info, module)) return false;
    if (PartAccount* const account = account_of(info)) {
      table->copy_from(account->table());
      account->current.store(table.get(), std::memory_order_release);
      table_ = std::move(table);
    }
    return true;
  });
}

std::vector<OpenedModule> KeptCount::opened() const {
  return table_ != nullptr ? find_counted(*table_) : std::vector<OpenedModule>();
}

std::uint64_t KeptCount::uncounted() const noexcept { return table_ != nullptr ? table_->uncounted() : 0; }

}  // namespace berth::detail
