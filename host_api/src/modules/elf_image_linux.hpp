// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Reads a mapped ELF module's dynamic section, dynamic symbols, relocations and notes in place. Used under
// dl_iterate_phdr, whose lock keeps the module mapped meanwhile.
#pragma once

#include <link.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "berth/allocator.h"

namespace berth::detail {

class ElfImage {
 public:
  explicit ElfImage(const dl_phdr_info& info) noexcept;

  // The module was linked never to be unloaded (-z nodelete).
  bool no_delete() const noexcept { return no_delete_; }
  std::string_view soname() const noexcept { return soname_; }

  // use(name, symbol) for each dynamic symbol until it returns false.
  template <typename Use>
  void for_each_symbol(Use use) const {
    for (const ElfW(Sym) & symbol : symbols()) {
      if (!use(text_at(symbol.st_name), symbol)) return;
    }
  }

  // use(name) for each library that the module is linked with.
  template <typename Use>
  void for_each_needed(Use use) const {
    for (const ElfW(Dyn) & entry : dynamic_) {
      if (entry.d_tag == DT_NEEDED) use(std::string_view(text_at(entry.d_un.d_val)));
    }
  }

  // use(name) for each symbol that the module uses and has not itself.
  template <typename Use>
  void for_each_import(Use use) const {
    if (symbols_ == nullptr) return;
    const std::span<const ElfW(Rela)> all[] = {std::span(relocations_, relocations_size_ / sizeof(ElfW(Rela))),
                                               std::span(plt_relocations_, plt_relocations_size_ / sizeof(ElfW(Rela)))};
    for (const std::span<const ElfW(Rela)> relocations : all) {
      for (const ElfW(Rela) & relocation : relocations) {
        const auto symbol = ELF64_R_SYM(relocation.r_info);
        if (symbol != 0 && symbols_[symbol].st_shndx == SHN_UNDEF) use(text_at(symbols_[symbol].st_name));
      }
    }
  }

  // Whether a symbol that the module imports is bound to an address in this range.
  bool is_bound_into(std::uintptr_t begin, std::size_t bytes) const noexcept;

  // The instance that the module's operator new uses (Note::Handle), nullptr if it has none.
  const berth_allocator* plugin_new_handle() const noexcept;

 private:
  std::span<const ElfW(Sym)> symbols() const noexcept;
  const void* address_of(ElfW(Addr) value) const noexcept;
  const char* text_at(std::size_t offset) const noexcept {
    return strings_ != nullptr && offset < strings_size_ ? strings_ + offset : "";
  }

  const dl_phdr_info& info_;  // for as long as the module is looked at
  std::uintptr_t base_;
  std::span<const ElfW(Dyn)> dynamic_;
  const ElfW(Sym) * symbols_ = nullptr;
  const std::uint32_t* hash_ = nullptr;
  const std::uint32_t* gnu_hash_ = nullptr;
  const ElfW(Rela) * relocations_ = nullptr;
  std::size_t relocations_size_ = 0;  // in bytes, as the next
  const ElfW(Rela) * plt_relocations_ = nullptr;
  std::size_t plt_relocations_size_ = 0;
  const char* strings_ = nullptr;
  std::size_t strings_size_ = 0;
  std::string_view soname_;
  bool no_delete_ = false;
};

}  // namespace berth::detail
