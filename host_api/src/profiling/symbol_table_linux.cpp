// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// ELF, System V ABI chapter 4: sections, a symbol table and its strings. The file may be any: each offset is looked at
// before it is followed.
#include "host_api/src/profiling/symbol_table_linux.hpp"

#include <fcntl.h>
#include <link.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

namespace berth::profiling {

namespace {

class MappedFile {
 public:
  explicit MappedFile(const char* path) noexcept {
    const int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (file < 0) return;
    struct stat status {};
    if (fstat(file, &status) == 0 && S_ISREG(status.st_mode) && status.st_size > 0) {
      bytes_ = static_cast<std::size_t>(status.st_size);
      void* const mapped = mmap(nullptr, bytes_, PROT_READ, MAP_PRIVATE, file, 0);
      if (mapped != MAP_FAILED) begin_ = static_cast<const char*>(mapped);
    }
    close(file);
  }
  ~MappedFile() {
    if (begin_ != nullptr) munmap(const_cast<char*>(begin_), bytes_);
  }
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  // So many of them from an offset on; null: the file does not have them.
  template <typename T>
  const T* at(std::uint64_t offset, std::uint64_t count = 1) const noexcept {
    if (begin_ == nullptr || offset > bytes_ || count > (bytes_ - offset) / sizeof(T) || offset % alignof(T) != 0) {
      return nullptr;
    }
    return reinterpret_cast<const T*>(begin_ + offset);
  }

 private:
  const char* begin_ = nullptr;
  std::size_t bytes_ = 0;
};

bool find_in_table(const MappedFile& file, const ElfW(Shdr) & table, const ElfW(Shdr) & strings, std::uintptr_t address,
                   FileSymbol& found) noexcept {
  const std::size_t count = table.sh_size / sizeof(ElfW(Sym));
  const auto* const symbols = file.at<ElfW(Sym)>(table.sh_offset, count);
  const char* const names = file.at<char>(strings.sh_offset, strings.sh_size);
  if (symbols == nullptr || names == nullptr) return false;
  for (const ElfW(Sym)* symbol = symbols; symbol != symbols + count; ++symbol) {
    if (ELF64_ST_TYPE(symbol->st_info) != STT_FUNC || symbol->st_shndx == SHN_UNDEF) continue;
    if (address - symbol->st_value >= symbol->st_size || symbol->st_name >= strings.sh_size) continue;
    const char* const name = names + symbol->st_name;
    const std::size_t length = std::min(strnlen(name, strings.sh_size - symbol->st_name), sizeof(found.name) - 1);
    if (length == 0) continue;
    found.begin = symbol->st_value;
    std::memcpy(found.name, name, length);
    found.name[length] = '\0';
    return true;
  }
  return false;
}

}  // namespace

bool find_in_file(const char* path, std::uintptr_t address, FileSymbol& found) noexcept {
  const MappedFile file(path);
  const auto* const header = file.at<ElfW(Ehdr)>(0);
  if (header == nullptr || std::memcmp(header->e_ident, ELFMAG, SELFMAG) != 0) return false;
  if (header->e_ident[EI_CLASS] != ELFCLASS64 || header->e_shentsize != sizeof(ElfW(Shdr))) return false;
  const auto* const sections = file.at<ElfW(Shdr)>(header->e_shoff, header->e_shnum);
  if (sections == nullptr) return false;
  for (unsigned number = 0; number < header->e_shnum; ++number) {
    const ElfW(Shdr)& section = sections[number];
    if (section.sh_type != SHT_SYMTAB || section.sh_link >= header->e_shnum) continue;
    if (find_in_table(file, section, sections[section.sh_link], address, found)) return true;
  }
  return false;
}

}  // namespace berth::profiling
