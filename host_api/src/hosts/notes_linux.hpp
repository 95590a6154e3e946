// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Berth's notes in ELF modules: what a module tells every other one about itself, whatever its link shows or hides.
//
//   section .note.berth, name "Berth", content: 8 bytes, the distance from there to what the type names
#pragma once

#include <link.h>

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

// BERTH_NOTE("type", "symbol"): a note of this module. At file level.
#define BERTH_NOTE(type, symbol)                   \
  asm(".pushsection .note.berth, \"a\", %note\n"   \
      ".balign 4\n"                                \
      ".long 6, 8, " type                          \
      "\n" /* lengths of name and content, type */ \
      ".asciz \"Berth\"\n"                         \
      ".balign 4\n"                                \
      "0: .quad " symbol                           \
      " - 0b\n"                                    \
      ".popsection\n")

namespace berth::detail {

enum class Note : std::uint32_t {
  Handle = 1,  // berth_plugin_new_handle: the module's operator new allocates from that instance
  Host = 2,    // HostFunctions: the module loads plugins
  Parts = 4,   // PartAccount: what the module has opened itself
  Hosts = 5    // HostList: the module asks hosts whose a block is
};

// The end of an address range within a loaded segment of the module.
inline bool is_in_segment(const dl_phdr_info& info, std::uintptr_t address, std::size_t bytes) noexcept {
  for (const ElfW(Phdr) & segment : std::span(info.dlpi_phdr, info.dlpi_phnum)) {
    const std::uintptr_t offset = address - info.dlpi_addr;
    if (segment.p_type == PT_LOAD && offset >= segment.p_vaddr && bytes <= segment.p_memsz &&
        offset - segment.p_vaddr <= segment.p_memsz - bytes) {
      return true;
    }
  }
  return false;
}

// What the module's note of this type leads to, `bytes` of it; nullptr: it has none. The module must stay mapped
// meanwhile. Looked for at each word, because linkers disagree on how notes of different alignment are padded.
inline void* find_note(const dl_phdr_info& info, Note note, std::size_t bytes) noexcept {
  static_assert(std::endian::native == std::endian::little);
  unsigned char header[] = {6, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 'B', 'e', 'r', 't', 'h', 0, 0, 0};
  header[8] = static_cast<unsigned char>(note);
  for (const ElfW(Phdr) & segment : std::span(info.dlpi_phdr, info.dlpi_phnum)) {
    if (segment.p_type != PT_NOTE || !is_in_segment(info, info.dlpi_addr + segment.p_vaddr, segment.p_memsz)) continue;
    const auto* notes = reinterpret_cast<const unsigned char*>(info.dlpi_addr + segment.p_vaddr);
    for (std::size_t at = 0; at + sizeof(header) + sizeof(std::int64_t) <= segment.p_memsz; at += 4) {
      if (std::memcmp(notes + at, header, sizeof(header)) != 0) continue;
      std::int64_t distance = 0;
      std::memcpy(&distance, notes + at + sizeof(header), sizeof(distance));
      const auto address =
          reinterpret_cast<std::uintptr_t>(notes + at + sizeof(header)) + static_cast<std::uintptr_t>(distance);
      return is_in_segment(info, address, bytes) ? reinterpret_cast<void*>(address) : nullptr;
    }
  }
  return nullptr;
}

}  // namespace berth::detail
