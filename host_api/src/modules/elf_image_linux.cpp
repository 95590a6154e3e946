// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// The layout of what ElfImage reads: elf(5), and the GNU hash table, whose last chain ends the symbol table.
#include "host_api/src/modules/elf_image_linux.hpp"

#include <algorithm>
#include <bit>
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

ElfImage::ElfImage(const dl_phdr_info& info) noexcept
    : base_(info.dlpi_addr), segments_(info.dlpi_phdr, info.dlpi_phnum) {
  for (const ElfW(Phdr) & segment : segments_) {
    if (segment.p_type != PT_DYNAMIC) continue;
    const auto* first = reinterpret_cast<const ElfW(Dyn)*>(base_ + segment.p_vaddr);
    std::size_t count = 0;
    while (count < segment.p_memsz / sizeof(*first) && first[count].d_tag != DT_NULL) ++count;
    dynamic_ = {first, count};
  }
  std::size_t soname_offset = 0;
  for (const ElfW(Dyn) & entry : dynamic_) {
    switch (entry.d_tag) {
      case DT_SYMTAB: symbols_ = static_cast<const ElfW(Sym)*>(address_of(entry.d_un.d_ptr)); break;
      case DT_STRTAB: strings_ = static_cast<const char*>(address_of(entry.d_un.d_ptr)); break;
      case DT_STRSZ: strings_size_ = entry.d_un.d_val; break;
      case DT_SONAME: soname_offset = entry.d_un.d_val; break;
      case DT_FLAGS_1: no_delete_ = (entry.d_un.d_val & DF_1_NODELETE) != 0; break;
      case DT_HASH: hash_ = static_cast<const std::uint32_t*>(address_of(entry.d_un.d_ptr)); break;
      case DT_GNU_HASH: gnu_hash_ = static_cast<const std::uint32_t*>(address_of(entry.d_un.d_ptr)); break;
      case DT_RELA: relocations_ = static_cast<const ElfW(Rela)*>(address_of(entry.d_un.d_ptr)); break;
      case DT_RELASZ: relocations_size_ = entry.d_un.d_val; break;
      case DT_JMPREL: plt_relocations_ = static_cast<const ElfW(Rela)*>(address_of(entry.d_un.d_ptr)); break;
      case DT_PLTRELSZ: plt_relocations_size_ = entry.d_un.d_val; break;
      default: break;
    }
  }
  if (soname_offset != 0) soname_ = text_at(soname_offset);
}

// Counted only when it is asked for: the GNU table must be walked.
std::span<const ElfW(Sym)> ElfImage::symbols() const noexcept {
  if (symbols_ == nullptr) return {};
  if (hash_ != nullptr) return {symbols_, hash_[1]};
  return {symbols_, gnu_hash_ != nullptr ? symbols_in_gnu_hash(gnu_hash_) : 0};
}

bool ElfImage::is_bound_into(std::uintptr_t begin, std::size_t bytes) const noexcept {
  if (symbols_ == nullptr) return false;
  const auto bound = [&](const ElfW(Rela) & relocation) {
    const std::uintptr_t slot = base_ + relocation.r_offset;
    const auto symbol = ELF64_R_SYM(relocation.r_info);
    if (symbol == 0 || symbols_[symbol].st_shndx != SHN_UNDEF) return false;
    if (slot % sizeof(void*) != 0 || !covers(slot, sizeof(void*))) return false;
    // Relaxed: another thread may be binding it at this moment, and then it is one or the other.
    return __atomic_load_n(reinterpret_cast<const std::uintptr_t*>(slot), __ATOMIC_RELAXED) - begin < bytes;
  };
  return std::any_of(relocations_, relocations_ + relocations_size_ / sizeof(ElfW(Rela)), bound) ||
         std::any_of(plt_relocations_, plt_relocations_ + plt_relocations_size_ / sizeof(ElfW(Rela)), bound);
}

// glibc relocates the pointers of the dynamic section in place, but not in read-only ones (the vDSO's).
const void* ElfImage::address_of(ElfW(Addr) value) const noexcept {
  return reinterpret_cast<const void*>(value < base_ ? base_ + value : value);
}

bool ElfImage::covers(std::uintptr_t address, std::size_t bytes) const noexcept {
  return std::ranges::any_of(segments_, [&](const ElfW(Phdr) & segment) {
    const std::uintptr_t offset = address - base_;
    return segment.p_type == PT_LOAD && offset >= segment.p_vaddr && bytes <= segment.p_memsz &&
           offset - segment.p_vaddr <= segment.p_memsz - bytes;
  });
}

const berth_allocator* ElfImage::plugin_new_handle() const noexcept {
  // As plugin_new_linux.cpp writes it: lengths, type and name, then the distance from here to the handle. Looked for at
  // each word, because linkers disagree on how notes of different alignment are padded.
  constexpr unsigned char kHeader[] = {6, 0, 0, 0, 8, 0, 0, 0, 1, 0, 0, 0, 'B', 'e', 'r', 't', 'h', 0, 0, 0};
  static_assert(std::endian::native == std::endian::little);
  for (const ElfW(Phdr) & segment : segments_) {
    if (segment.p_type != PT_NOTE || !covers(base_ + segment.p_vaddr, segment.p_memsz)) continue;
    const auto* notes = reinterpret_cast<const unsigned char*>(base_ + segment.p_vaddr);
    for (std::size_t at = 0; at + sizeof(kHeader) + sizeof(std::int64_t) <= segment.p_memsz; at += 4) {
      if (std::memcmp(notes + at, kHeader, sizeof(kHeader)) != 0) continue;
      std::int64_t distance = 0;
      std::memcpy(&distance, notes + at + sizeof(kHeader), sizeof(distance));
      const auto address =
          reinterpret_cast<std::uintptr_t>(notes + at + sizeof(kHeader)) + static_cast<std::uintptr_t>(distance);
      if (!covers(address, sizeof(void*))) return nullptr;
      return __atomic_load_n(reinterpret_cast<berth_allocator* const*>(address), __ATOMIC_ACQUIRE);
    }
  }
  return nullptr;
}

}  // namespace berth::detail
