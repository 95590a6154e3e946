// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// The loader reads a module's symbols by an entry of the module's dynamic section. It is led to a copy of the table, in
// which the functions that stand here are absolute addresses that nobody else can define: no slot is written, none is
// forgotten, and the module's other symbols are found apart as the host wants it.
#include <dlfcn.h>

#include <cstring>

#include "arenas/pal/pal.hpp"
#include "host_api/src/routing/bound_apart.hpp"
#include "host_api/src/routing/module_image.hpp"

namespace berth::routing {

namespace {

const link_map* own_map() noexcept {
  static constinit const char kAnchor = 0;
  dl_find_object found;
  if (_dl_find_object(const_cast<char*>(&kAnchor), &found) != 0) return nullptr;
  return found.dlfo_link_map;
}

// What stands here under a name. Null: nothing does.
const ElfW(Sym) * find_own(const SymbolTable& own, const char* name) noexcept {
  for (std::size_t number = 1; number < own.count; ++number) {
    const ElfW(Sym)& symbol = own.symbols[number];
    if (symbol.st_shndx == SHN_UNDEF || ELF64_ST_TYPE(symbol.st_info) != STT_FUNC) continue;
    if (std::strcmp(own.names + symbol.st_name, name) == 0) return &symbol;
  }
  return nullptr;
}

ElfW(Dyn) * entry_of_symbols(const link_map& module) noexcept {
  for (ElfW(Dyn)* entry = module.l_ld; entry->d_tag != DT_NULL; ++entry) {
    if (entry->d_tag == DT_SYMTAB) return entry;
  }
  return nullptr;
}

}  // namespace

bool bind_here(const link_map& module, BoundSymbols& out) noexcept {
  const link_map* own = own_map();
  ElfW(Dyn)* entry = entry_of_symbols(module);
  // Where the section cannot be written the loader has not moved the addresses in it either.
  if (own == nullptr || entry == nullptr || entry->d_un.d_ptr < module.l_addr) return false;
  const SymbolTable table = read_symbols(module);
  if (table.symbols == nullptr || table.count == 0) return false;
  const SymbolTable here = read_symbols(*own);
  const std::size_t bytes = (table.count * sizeof(ElfW(Sym)) + pal::kPageSize - 1) & ~(pal::kPageSize - 1);
  void* memory = pal::reserve(bytes, pal::Access::ReadWrite);
  if (memory == nullptr) return false;
  auto* symbols = static_cast<ElfW(Sym)*>(memory);
  std::memcpy(symbols, table.symbols, table.count * sizeof(ElfW(Sym)));
  for (std::size_t number = 1; number < table.count; ++number) {
    ElfW(Sym)& symbol = symbols[number];
    if (symbol.st_shndx != SHN_UNDEF || symbol.st_name >= table.names_bytes) continue;
    const ElfW(Sym)* found = find_own(here, table.names + symbol.st_name);
    if (found == nullptr) continue;
    symbol.st_value = own->l_addr + found->st_value;
    symbol.st_shndx = SHN_ABS;
    symbol.st_other =
        STV_HIDDEN;  // the module's own, for the loader: it looks nowhere else, at once or when first called
  }
  entry->d_un.d_ptr = reinterpret_cast<ElfW(Addr)>(symbols);
  out = {memory, bytes};
  return true;
}

void drop(BoundSymbols& symbols) noexcept {
  if (symbols.memory != nullptr) pal::release(symbols.memory, symbols.bytes);
  symbols = {};
}

}  // namespace berth::routing
