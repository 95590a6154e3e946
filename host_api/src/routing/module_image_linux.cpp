// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
#include <cstring>
#include <initializer_list>

#include "host_api/src/modules/allocating_functions.hpp"
#include "host_api/src/routing/module_image.hpp"

namespace berth::routing {

namespace {

#if defined(__x86_64__)
constexpr std::uint32_t kJumpSlot = R_X86_64_JUMP_SLOT;
constexpr std::uint32_t kGlobalData = R_X86_64_GLOB_DAT;
constexpr std::uint32_t kAddress = R_X86_64_64;
#elif defined(__aarch64__)
constexpr std::uint32_t kJumpSlot = R_AARCH64_JUMP_SLOT;
constexpr std::uint32_t kGlobalData = R_AARCH64_GLOB_DAT;
constexpr std::uint32_t kAddress = R_AARCH64_ABS64;
#else
#error "Berth's routing knows the relocations of x86-64 and of AArch64"
#endif

Image image_of(const dl_phdr_info& info, std::uintptr_t& dynamic_section) noexcept {
  Image image;
  dynamic_section = 0;
  for (std::size_t number = 0; number < info.dlpi_phnum; ++number) {
    const ElfW(Phdr)& header = info.dlpi_phdr[number];
    const std::uintptr_t begin = info.dlpi_addr + header.p_vaddr;
    if (header.p_type == PT_DYNAMIC) dynamic_section = begin;
    if (header.p_type != PT_LOAD) continue;
    const std::uintptr_t end = begin + header.p_memsz;
    if (image.end == 0) image.begin = begin;
    image.end = end;
    if ((header.p_flags & PF_X) != 0 && image.ranges < Image::kMaxRanges) image.code[image.ranges++] = {begin, end};
  }
  return image;
}

struct Tables {
  const ElfW(Sym) * symbols = nullptr;
  const char* names = nullptr;
  std::size_t names_bytes = 0;
  std::size_t undefined_end = 0;  // symbols from here on are defined, where the count of all is not known
  std::size_t count = 0;
  struct Relocations {
    const ElfW(Rela) * first = nullptr;
    std::size_t count = 0;
  } calls, data;
};

// Of a GNU hash table: symbols below its first are undefined; the last one ends the longest chain.
void count_by_gnu_hash(const std::uint32_t* table, Tables& out) noexcept {
  const std::uint32_t buckets = table[0];
  const std::uint32_t first = table[1];
  const std::uint32_t* bucket = table + 4 + std::size_t{table[2]} * (sizeof(ElfW(Addr)) / 4);
  const std::uint32_t* chains = bucket + buckets;
  std::uint32_t last = 0;
  for (std::uint32_t number = 0; number < buckets; ++number) {
    if (bucket[number] > last) last = bucket[number];
  }
  out.undefined_end = first;
  out.count = first;
  if (last < first) return;
  while ((chains[last - first] & 1) == 0) ++last;
  out.count = std::size_t{last} + 1;
}

Tables read_tables(const link_map& module) noexcept {
  Tables tables;
  const std::uint32_t* hash = nullptr;
  const std::uint32_t* gnu_hash = nullptr;
  bool has_addends = true;
  // The loader has moved the addresses to where the module lies, but for modules whose section cannot be written.
  const auto place = [&](ElfW(Addr) address) noexcept {
    return address < module.l_addr ? address + module.l_addr : address;
  };
  for (const ElfW(Dyn)* entry = module.l_ld; entry != nullptr && entry->d_tag != DT_NULL; ++entry) {
    const ElfW(Addr) address = place(entry->d_un.d_ptr);
    switch (entry->d_tag) {
      case DT_SYMTAB: tables.symbols = reinterpret_cast<const ElfW(Sym)*>(address); break;
      case DT_STRTAB: tables.names = reinterpret_cast<const char*>(address); break;
      case DT_STRSZ: tables.names_bytes = entry->d_un.d_val; break;
      case DT_HASH: hash = reinterpret_cast<const std::uint32_t*>(address); break;
      case DT_GNU_HASH: gnu_hash = reinterpret_cast<const std::uint32_t*>(address); break;
      case DT_JMPREL: tables.calls.first = reinterpret_cast<const ElfW(Rela)*>(address); break;
      case DT_PLTRELSZ: tables.calls.count = entry->d_un.d_val / sizeof(ElfW(Rela)); break;
      case DT_RELA: tables.data.first = reinterpret_cast<const ElfW(Rela)*>(address); break;
      case DT_RELASZ: tables.data.count = entry->d_un.d_val / sizeof(ElfW(Rela)); break;
      case DT_PLTREL: has_addends = entry->d_un.d_val == DT_RELA; break;
      default: break;
    }
  }
  if (gnu_hash != nullptr) count_by_gnu_hash(gnu_hash, tables);
  if (hash != nullptr) tables.count = tables.undefined_end = hash[1];
  if (tables.calls.first == nullptr || !has_addends) tables.calls.count = 0;
  if (tables.data.first == nullptr) tables.data.count = 0;
  if (tables.symbols == nullptr || tables.names == nullptr) tables.count = tables.undefined_end = 0;
  return tables;
}

bool is_one_of(const char* name, const char* const* list) noexcept {
  for (; *list != nullptr; ++list) {
    if (std::strcmp(name, *list) == 0) return true;
  }
  return false;
}

constexpr const char* kFreeing[] = {"free", "cfree", nullptr};

bool is_new(const char* name) noexcept {
  return std::strncmp(name, "_Zn", 3) == 0 && (name[3] == 'w' || name[3] == 'a');
}
bool is_delete(const char* name) noexcept {
  return std::strncmp(name, "_Zd", 3) == 0 && (name[3] == 'l' || name[3] == 'a') && name[4] == 'P';
}

}  // namespace

void for_each_image(void (*visit)(const char* path, std::uintptr_t dynamic_section, const Image&, void* context),
                    void* context) noexcept {
  struct Visit {
    decltype(visit) function;
    void* context;
  } pass = {visit, context};
  dl_iterate_phdr(
      [](dl_phdr_info* info, std::size_t, void* opaque) {
        const auto* to = static_cast<const Visit*>(opaque);
        std::uintptr_t dynamic_section = 0;
        const Image image = image_of(*info, dynamic_section);
        to->function(info->dlpi_name, dynamic_section, image, to->context);
        return 0;
      },
      &pass);
}

bool find_image(std::uintptr_t dynamic_section, Image& image) noexcept {
  struct Search {
    std::uintptr_t dynamic_section;
    Image* image;
    bool found;
  } search = {dynamic_section, &image, false};
  dl_iterate_phdr(
      [](dl_phdr_info* info, std::size_t, void* opaque) {
        auto* wanted = static_cast<Search*>(opaque);
        std::uintptr_t section = 0;
        const Image candidate = image_of(*info, section);
        if (section != wanted->dynamic_section) return 0;
        *wanted->image = candidate;
        wanted->found = true;
        return 1;
      },
      &search);
  return search.found;
}

bool read_image(const dl_find_object& module, Image& image) noexcept {
  const auto* header = static_cast<const ElfW(Ehdr)*>(module.dlfo_map_start);
  const auto mapped = static_cast<std::size_t>(static_cast<const char*>(module.dlfo_map_end) -
                                               static_cast<const char*>(module.dlfo_map_start));
  if (mapped < sizeof(*header) || std::memcmp(header->e_ident, ELFMAG, SELFMAG) != 0) return false;
  const std::size_t bytes = std::size_t{header->e_phnum} * sizeof(ElfW(Phdr));
  if (header->e_phentsize != sizeof(ElfW(Phdr)) || header->e_phoff > mapped || bytes > mapped - header->e_phoff) {
    return false;
  }
  dl_phdr_info info{};
  info.dlpi_addr = module.dlfo_link_map->l_addr;
  info.dlpi_phdr =
      reinterpret_cast<const ElfW(Phdr)*>(static_cast<const char*>(module.dlfo_map_start) + header->e_phoff);
  info.dlpi_phnum = header->e_phnum;
  std::uintptr_t dynamic_section = 0;
  image = image_of(info, dynamic_section);
  return dynamic_section == reinterpret_cast<std::uintptr_t>(module.dlfo_link_map->l_ld);
}

SymbolTable read_symbols(const link_map& module) noexcept {
  const Tables tables = read_tables(module);
  return {tables.symbols, tables.names, tables.names_bytes, tables.count};
}

Imports read_imports(const link_map& module) noexcept {
  Imports imports;
  const Tables tables = read_tables(module);
  for (std::size_t number = 1; number < tables.count; ++number) {
    const ElfW(Sym)& symbol = tables.symbols[number];
    if (symbol.st_name >= tables.names_bytes) continue;
    const char* name = tables.names + symbol.st_name;
    if (symbol.st_shndx != SHN_UNDEF) {
      if (std::strcmp(name, "malloc") == 0) imports.defines_malloc = true;
      continue;
    }
    for (const berth::detail::AllocatingFunction& function : berth::detail::kAllocatingFunctions) {
      if (std::strcmp(name, function.name) != 0) continue;
      (function.is_routed ? imports.allocates : imports.streams) = true;
    }
    if (is_new(name)) imports.creates = true;
    if (is_one_of(name, kFreeing) || is_delete(name)) imports.frees = true;
  }
  return imports;
}

void for_each_bound_symbol(const link_map& module, const Image& image, bool (*visit)(const BoundSymbol&, void* context),
                           void* context) noexcept {
  const Tables tables = read_tables(module);
  for (const Tables::Relocations* list : {&tables.calls, &tables.data}) {
    for (std::size_t number = 0; number < list->count; ++number) {
      const ElfW(Rela)& relocation = list->first[number];
      const auto type = static_cast<std::uint32_t>(ELF64_R_TYPE(relocation.r_info));
      if (type != kJumpSlot && type != kGlobalData && type != kAddress) continue;
      const std::size_t index = ELF64_R_SYM(relocation.r_info);
      if (index == 0 || index >= tables.count) continue;
      const ElfW(Sym)& symbol = tables.symbols[index];
      if (symbol.st_name >= tables.names_bytes) continue;
      BoundSymbol bound{tables.names + symbol.st_name, 0, 0, false};
      if (symbol.st_shndx != SHN_UNDEF) {
        bound.own_value = module.l_addr + symbol.st_value;
        bound.is_function = ELF64_ST_TYPE(symbol.st_info) == STT_FUNC;
      }
      bound.value = *reinterpret_cast<const std::uintptr_t*>(module.l_addr + relocation.r_offset);
      if (type == kAddress) bound.value -= static_cast<std::uintptr_t>(relocation.r_addend);
      // Not bound yet: the slot leads back into the module, or says as an offset where that would be. A weak one that
      // nobody has: zero.
      const bool inside = bound.value >= image.begin && bound.value < image.end;
      if (bound.value < image.end - image.begin || (inside && bound.value != bound.own_value)) bound.value = 0;
      if (!visit(bound, context)) return;
    }
  }
}

Binding read_binding(const link_map& module, const Image& image, bool (*is_ours)(std::uintptr_t)) noexcept {
  struct Search {
    bool (*is_ours)(std::uintptr_t);
    Binding found;
  } search = {is_ours, Binding::Here};
  for_each_bound_symbol(
      module, image,
      [](const BoundSymbol& symbol, void* context) {
        auto* wanted = static_cast<Search*>(context);
        static constexpr const char* kTelling[] = {"malloc", "calloc", "realloc", "free", "_Znwm", "_ZdlPv", nullptr};
        if (symbol.value == 0 || symbol.value == symbol.own_value || !is_one_of(symbol.name, kTelling)) return true;
        if (!wanted->is_ours(symbol.value)) wanted->found = Binding::Elsewhere;
        return wanted->found == Binding::Here;
      },
      &search);
  return search.found;
}

bool was_bound(const link_map& module, const Image& image) noexcept {
  const Tables tables = read_tables(module);
  for (const Tables::Relocations* list : {&tables.calls, &tables.data}) {
    for (std::size_t number = 0; number < list->count; ++number) {
      const ElfW(Rela)& relocation = list->first[number];
      const auto type = static_cast<std::uint32_t>(ELF64_R_TYPE(relocation.r_info));
      const std::size_t index = ELF64_R_SYM(relocation.r_info);
      if ((type != kJumpSlot && type != kGlobalData) || index == 0 || index >= tables.count) continue;
      if (ELF64_ST_BIND(tables.symbols[index].st_info) == STB_WEAK) continue;
      const auto value = *reinterpret_cast<const std::uintptr_t*>(module.l_addr + relocation.r_offset);
      // As the file has it: nothing, or where the module's own jump lies, as an offset.
      if (value < image.end - image.begin) return false;
    }
  }
  return true;
}

bool is_jump_of(const link_map& program, std::uintptr_t address) noexcept {
  const Tables tables = read_tables(program);
  for (std::size_t number = 1; number < tables.count; ++number) {
    const ElfW(Sym)& symbol = tables.symbols[number];
    if (symbol.st_shndx == SHN_UNDEF && symbol.st_value != 0 && program.l_addr + symbol.st_value == address)
      return true;
  }
  return false;
}

}  // namespace berth::routing
