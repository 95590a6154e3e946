// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
#include <elf.h>
#include <link.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "host_api/src/modules/berth_in_file.hpp"

namespace berth::detail {

namespace {

constexpr std::size_t kMost = std::size_t{1} << 28;

// False: there is less.
bool read_at(int file, std::uint64_t offset, void* out, std::size_t bytes) noexcept {
  return ::pread(file, out, bytes, static_cast<off_t>(offset)) == static_cast<ssize_t>(bytes);
}

bool read_part(int file, std::uint64_t offset, std::uint64_t bytes, std::string& out) {
  if (bytes > kMost) return false;
  out.resize(static_cast<std::size_t>(bytes));
  return read_at(file, offset, out.data(), out.size());
}

// Where in the file something lies that is to lie at an address.
bool find_offset(const std::vector<ElfW(Phdr)>& segments, std::uint64_t address, std::uint64_t& offset) {
  for (const ElfW(Phdr) & segment : segments) {
    if (segment.p_type != PT_LOAD || address < segment.p_vaddr || address - segment.p_vaddr >= segment.p_filesz) {
      continue;
    }
    offset = segment.p_offset + (address - segment.p_vaddr);
    return true;
  }
  return false;
}

bool names_berth(int file) {
  ElfW(Ehdr) header{};
  if (!read_at(file, 0, &header, sizeof(header)) || header.e_phentsize != sizeof(ElfW(Phdr))) return true;
  std::vector<ElfW(Phdr)> segments(header.e_phnum);
  if (!read_at(file, header.e_phoff, segments.data(), segments.size() * sizeof(ElfW(Phdr)))) return true;
  std::string part;
  for (const ElfW(Phdr) & segment : segments) {
    if (segment.p_type == PT_NOTE) {
      if (!read_part(file, segment.p_offset, segment.p_filesz, part)) return true;
      if (part.find(std::string_view("Berth\0", 6)) != std::string::npos) return true;
    }
    if (segment.p_type != PT_DYNAMIC) continue;
    std::vector<ElfW(Dyn)> entries(static_cast<std::size_t>(std::min<std::uint64_t>(segment.p_filesz, kMost)) /
                                   sizeof(ElfW(Dyn)));
    if (!read_at(file, segment.p_offset, entries.data(), entries.size() * sizeof(ElfW(Dyn)))) return true;
    std::uint64_t strings = 0;
    std::uint64_t bytes = 0;
    for (const ElfW(Dyn) & entry : entries) {
      if (entry.d_tag == DT_NULL) break;
      if (entry.d_tag == DT_STRTAB) strings = entry.d_un.d_ptr;
      if (entry.d_tag == DT_STRSZ) bytes = entry.d_un.d_val;
    }
    std::uint64_t offset = 0;
    if (!find_offset(segments, strings, offset) || !read_part(file, offset, bytes, part)) return true;
    if (part.find(std::string_view("\0berth_", 7)) != std::string::npos) return true;
  }
  return false;
}

}  // namespace

bool has_berth(const ModuleFile& file) noexcept {
  try {
    return names_berth(static_cast<int>(file.native()));
  } catch (...) {  // out of memory
    return true;
  }
}

}  // namespace berth::detail
