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

#include "arenas/asan.hpp"
#include "berth/allocator.h"
#include "host_api/src/hosts/notes_linux.hpp"

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
    for_each_relocation([&](const ElfW(Rela) & relocation) {
      const std::size_t symbol = ELF64_R_SYM(relocation.r_info);
      if (symbol != 0 && symbols_[symbol].st_shndx == SHN_UNDEF) use(text_at(symbols_[symbol].st_name));
    });
  }

  // A symbol that the module looks up, and what the loader has written for it: the address found, or where `in_thread`
  // the number of the module whose thread-local storage it is in. An undefined one of thread-local storage may have
  // neither, but an offset (0).
  struct Binding {
    const char* name;
    std::uintptr_t value;
    bool in_thread;
  };

  // use(binding) for each, bound to whichever module, its own definitions included: another's may preempt them.
  template <typename Use>
  void for_each_binding(Use use) const {
    if (symbols_ == nullptr) return;
    for_each_relocation([&](const ElfW(Rela) & relocation) {
      const std::size_t number = ELF64_R_SYM(relocation.r_info);
      const std::uintptr_t slot = base_ + relocation.r_offset;
      if (number == 0 || slot % sizeof(void*) != 0 || !is_in_segment(info_, slot, sizeof(void*))) return;
      const ElfW(Sym)& symbol = symbols_[number];
      if (ELF64_ST_BIND(symbol.st_info) == STB_LOCAL) return;
      const bool in_thread = ELF64_ST_TYPE(symbol.st_info) == STT_TLS;
      std::uintptr_t value = word_at(slot);
      if (!in_thread) {
        value -= static_cast<std::uintptr_t>(relocation.r_addend);
      } else if (!names_thread_module(relocation)) {
        if (symbol.st_shndx != SHN_UNDEF) return;
        value = 0;
      }
      use(Binding{text_at(symbol.st_name), value, in_thread});
    });
  }

  // Whether the module itself has a symbol of this name, at this address or, where `in_thread`, in thread-local
  // storage.
  bool defines(const Binding& binding) const noexcept;

  // The instance that the module's operator new uses (Note::Handle), nullptr if it has none.
  const berth_allocator* plugin_new_handle() const noexcept;

 private:
  template <typename Use>
  void for_each_relocation(Use use) const {
    for (const std::span<const ElfW(Rela)> table : {relocations_, plt_relocations_}) {
      for (const ElfW(Rela) & relocation : table) use(relocation);
    }
  }
  // Relaxed: another thread may be binding it at this moment, and then it is one or the other. Unwatched: of variables
  // that several modules have one is used, and AddressSanitizer forbids the others.
  BERTH_UNWATCHED static std::uintptr_t word_at(std::uintptr_t slot) noexcept {
    return __atomic_load_n(reinterpret_cast<const std::uintptr_t*>(slot), __ATOMIC_RELAXED);
  }
  static bool names_thread_module(const ElfW(Rela) & relocation) noexcept;

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
  std::span<const ElfW(Rela)> relocations_;
  std::span<const ElfW(Rela)> plt_relocations_;
  const char* strings_ = nullptr;
  std::size_t strings_size_ = 0;
  std::string_view soname_;
  bool no_delete_ = false;
};

}  // namespace berth::detail
