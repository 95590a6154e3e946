// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// The layout of what ElfImage reads: elf(5), and the GNU hash table, whose last chain ends the symbol table.
#include "host_api/src/modules/elf_image_linux.hpp"

#include <algorithm>
#include <cstddef>
#include <cstring>

namespace berth::detail {

namespace {

std::size_t symbols_in_gnu_hash(const std::uint32_t* table) noexcept {
  const std::uint32_t bucket_count = table[0];
  const std::uint32_t first_symbol = table[1];
  const std::uint32_t bloom_words = table[2];
  const auto* bloom = reinterpret_cast<const ElfW(Addr)*>(table + 4);
  const auto* buckets = reinterpret_cast<const std::uint32_t*>(bloom + bloom_words);
  const std::uint32_t* chains = buckets + bucket_count;
  std::uint32_t last = 0;
  for (std::uint32_t bucket = 0; bucket < bucket_count; ++bucket) last = std::max(last, buckets[bucket]);
  if (last < first_symbol) return first_symbol;
  while ((chains[last - first_symbol] & 1) == 0) ++last;
  return last + 1;
}

}  // namespace

ElfImage::ElfImage(const dl_phdr_info& info) noexcept : info_(info), base_(info.dlpi_addr) {
  for (const ElfW(Phdr) & segment : std::span(info.dlpi_phdr, info.dlpi_phnum)) {
    if (segment.p_type != PT_DYNAMIC) continue;
    const auto* first = reinterpret_cast<const ElfW(Dyn)*>(base_ + segment.p_vaddr);
    std::size_t count = 0;
    while (count < segment.p_memsz / sizeof(*first) && first[count].d_tag != DT_NULL) ++count;
    dynamic_ = {first, count};
  }
  std::size_t soname_offset = 0;
  const ElfW(Rela)* relocations = nullptr;
  const ElfW(Rela)* plt_relocations = nullptr;
  std::size_t relocations_size = 0;  // in bytes, as the next
  std::size_t plt_relocations_size = 0;
  for (const ElfW(Dyn) & entry : dynamic_) {
    switch (entry.d_tag) {
      case DT_SYMTAB: symbols_ = static_cast<const ElfW(Sym)*>(address_of(entry.d_un.d_ptr)); break;
      case DT_STRTAB: strings_ = static_cast<const char*>(address_of(entry.d_un.d_ptr)); break;
      case DT_STRSZ: strings_size_ = entry.d_un.d_val; break;
      case DT_SONAME: soname_offset = entry.d_un.d_val; break;
      case DT_FLAGS_1: no_delete_ = (entry.d_un.d_val & DF_1_NODELETE) != 0; break;
      case DT_HASH: hash_ = static_cast<const std::uint32_t*>(address_of(entry.d_un.d_ptr)); break;
      case DT_GNU_HASH: gnu_hash_ = static_cast<const std::uint32_t*>(address_of(entry.d_un.d_ptr)); break;
      case DT_RELA: relocations = static_cast<const ElfW(Rela)*>(address_of(entry.d_un.d_ptr)); break;
      case DT_RELASZ: relocations_size = entry.d_un.d_val; break;
      case DT_JMPREL: plt_relocations = static_cast<const ElfW(Rela)*>(address_of(entry.d_un.d_ptr)); break;
      case DT_PLTRELSZ: plt_relocations_size = entry.d_un.d_val; break;
      default: break;
    }
  }
  if (relocations != nullptr) relocations_ = {relocations, relocations_size / sizeof(ElfW(Rela))};
  if (plt_relocations != nullptr) plt_relocations_ = {plt_relocations, plt_relocations_size / sizeof(ElfW(Rela))};
  if (soname_offset != 0) soname_ = text_at(soname_offset);
}

// Counted only when it is asked for: nothing but the old hash table tells the number. The GNU table ends with the last
// symbol that it has; those that are imported alone stand before its first, which in an empty one stands for nothing:
// then, and without any table, those are counted that a relocation uses, for no other has an effect.
std::span<const ElfW(Sym)> ElfImage::symbols() const noexcept {
  if (symbols_ == nullptr) return {};
  if (hash_ != nullptr) return {symbols_, hash_[1]};
  std::size_t count = gnu_hash_ != nullptr ? symbols_in_gnu_hash(gnu_hash_) : 0;
  for_each_relocation(
      [&](const ElfW(Rela) & relocation) { count = std::max<std::size_t>(count, ELF64_R_SYM(relocation.r_info) + 1); });
  return is_in_segment(info_, reinterpret_cast<std::uintptr_t>(symbols_), count * sizeof(ElfW(Sym)))
             ? std::span(symbols_, count)
             : std::span<const ElfW(Sym)>();
}

bool ElfImage::names_thread_module(const ElfW(Rela) & relocation) noexcept {
#if defined(__x86_64__)
  return ELF64_R_TYPE(relocation.r_info) == R_X86_64_DTPMOD64;
#elif defined(__aarch64__)
  return ELF64_R_TYPE(relocation.r_info) == R_AARCH64_TLS_DTPMOD;
#else
  return false;
#endif
}

bool ElfImage::defines(const Binding& binding) const noexcept {
  return std::ranges::any_of(symbols(), [&](const ElfW(Sym) & symbol) {
    if (symbol.st_shndx == SHN_UNDEF || std::strcmp(text_at(symbol.st_name), binding.name) != 0) return false;
    const auto type = ELF64_ST_TYPE(symbol.st_info);
    if (binding.in_thread || type == STT_TLS) return binding.in_thread && type == STT_TLS;
    // Of an indirect function the loader writes the address that its resolver returns.
    return type == STT_GNU_IFUNC || base_ + symbol.st_value == binding.value;
  });
}

// glibc relocates the pointers of the dynamic section in place, but not in read-only ones (the vDSO's).
const void* ElfImage::address_of(ElfW(Addr) value) const noexcept {
  return reinterpret_cast<const void*>(value < base_ ? base_ + value : value);
}

const berth_allocator* ElfImage::plugin_new_handle() const noexcept {
  const void* const handle = find_note(info_, Note::Handle, sizeof(void*));
  return handle != nullptr ? __atomic_load_n(static_cast<berth_allocator* const*>(handle), __ATOMIC_ACQUIRE) : nullptr;
}

}  // namespace berth::detail
