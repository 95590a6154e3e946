// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// The loader knows the modules, and each carries its build-id in a note that is mapped with it.
#include <dlfcn.h>
#include <elf.h>
#include <link.h>
#include <unistd.h>

#include <cstring>

#include "host_api/src/profiling/frame_places.hpp"

namespace berth::profiling {

namespace {

constexpr std::size_t kMostId = 32;  // bytes; that of sha256
constexpr std::size_t kHeadersAtMost = 4096;

struct Id {
  const unsigned char* bytes = nullptr;
  std::size_t count = 0;
};

// The note of a segment that the linker writes with --build-id.
Id find_in_notes(const char* place, std::size_t left) noexcept {
  while (left >= sizeof(ElfW(Nhdr))) {
    ElfW(Nhdr) note;
    std::memcpy(&note, place, sizeof(note));
    const std::size_t name = (std::size_t{note.n_namesz} + 3) / 4 * 4;
    const std::size_t text = (std::size_t{note.n_descsz} + 3) / 4 * 4;
    left -= sizeof(note);
    if (name > left || text > left - name) break;
    place += sizeof(note);
    if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == 4 && std::memcmp(place, "GNU", 4) == 0 &&
        note.n_descsz <= kMostId) {
      return {reinterpret_cast<const unsigned char*>(place + name), note.n_descsz};
    }
    place += name + text;
    left -= name + text;
  }
  return {};
}

// `base` is where the file's first page is mapped, which has its headers.
Id id_of(const void* base, std::uintptr_t bias) noexcept {
  const auto* const header = static_cast<const ElfW(Ehdr)*>(base);
  if (std::memcmp(header->e_ident, ELFMAG, SELFMAG) != 0 || header->e_phentsize != sizeof(ElfW(Phdr))) return {};
  if (header->e_phoff + std::size_t{header->e_phnum} * sizeof(ElfW(Phdr)) > kHeadersAtMost) return {};
  const auto* const first = reinterpret_cast<const ElfW(Phdr)*>(static_cast<const char*>(base) + header->e_phoff);
  const auto is_mapped = [&](const ElfW(Phdr) & notes) noexcept {
    for (const ElfW(Phdr)* one = first; one != first + header->e_phnum; ++one) {
      if (one->p_type != PT_LOAD || notes.p_vaddr < one->p_vaddr) continue;
      const std::size_t before = notes.p_vaddr - one->p_vaddr;
      if (before <= one->p_filesz && notes.p_filesz <= one->p_filesz - before) return true;
    }
    return false;
  };
  for (const ElfW(Phdr)* one = first; one != first + header->e_phnum; ++one) {
    if (one->p_type != PT_NOTE || one->p_align > 8 || !is_mapped(*one)) continue;
    const Id found = find_in_notes(reinterpret_cast<const char*>(bias + one->p_vaddr), one->p_filesz);
    if (found.bytes != nullptr) return found;
  }
  return {};
}

// As FramePlace has it. False: it does not fit, or has no path.
bool write_module(char* out, std::size_t size, const link_map& map, const void* base) noexcept {
  const Id id = id_of(base, map.l_addr);
  std::size_t used = 0;
  for (std::size_t byte = 0; byte < id.count; ++byte) {
    out[used++] = "0123456789abcdef"[id.bytes[byte] >> 4];
    out[used++] = "0123456789abcdef"[id.bytes[byte] & 15];
  }
  if (id.count == 0) out[used++] = '-';
  out[used++] = ' ';
  if (map.l_name == nullptr || map.l_name[0] == '\0') {
    const ssize_t length = readlink("/proc/self/exe", out + used, size - used);
    if (length <= 0 || used + static_cast<std::size_t>(length) >= size) return false;
    out[used + static_cast<std::size_t>(length)] = '\0';
    return true;
  }
  if (map.l_name[0] != '/') {
    if (getcwd(out + used, size - used) == nullptr) return false;
    used += std::strlen(out + used);
    if (used + 1 >= size) return false;
    out[used++] = '/';
  }
  const std::size_t length = std::strlen(map.l_name);
  if (used + length >= size) return false;
  std::memcpy(out + used, map.l_name, length + 1);
  return true;
}

}  // namespace

const FramePlaces::Module* FramePlaces::module_of(const void* code) noexcept {
  Dl_info found{};
  link_map* map = nullptr;
  if (dladdr1(code, &found, reinterpret_cast<void**>(&map), RTLD_DL_LINKMAP) == 0 || map == nullptr) return nullptr;
  for (std::size_t number = 0; number < count_; ++number) {
    Module& known = modules_[number];
    if (known.base != found.dli_fbase || known.map != map || known.bias != map->l_addr) continue;
    known.used = calls_;
    return &known;
  }
  Module* const entry = free_entry();
  if (entry == nullptr) return nullptr;
  if (!write_module(entry->text, kBytes, *map, found.dli_fbase)) return nullptr;
  entry->base = found.dli_fbase;
  entry->map = map;
  entry->bias = map->l_addr;
  entry->used = calls_;
  return entry;
}

void FramePlaces::find(const void* const* frames, std::uint32_t depth, core::FramePlace* places) noexcept {
  ++calls_;
  for (std::uint32_t frame = 0; frame < depth; ++frame) {
    places[frame] = {};
    // A call may be the last thing in its module.
    const Module* const module = module_of(static_cast<const char*>(frames[frame]) - 1);
    if (module == nullptr) continue;
    const std::uintptr_t offset = reinterpret_cast<std::uintptr_t>(frames[frame]) - module->bias;
    if (offset > UINT32_MAX) continue;
    places[frame] = {module->text, static_cast<std::uint32_t>(offset)};
  }
}

}  // namespace berth::profiling
