// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
#include "tools/berth/target.hpp"

#include <elf.h>
#include <link.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <sstream>
#include <vector>

namespace berth::tool {

namespace {

// A program's file. Everything in it is looked up with its bounds.
class File {
 public:
  explicit File(std::string bytes) : bytes_(std::move(bytes)) {}

  template <typename T>
  bool read(std::uint64_t offset, T& out) const {
    if (offset > bytes_.size() || sizeof(T) > bytes_.size() - offset) return false;
    std::memcpy(&out, bytes_.data() + offset, sizeof(T));
    return true;
  }
  std::string text(std::uint64_t offset) const {
    return offset < bytes_.size() ? std::string(bytes_.data() + offset) : std::string();
  }
  const std::string& bytes() const { return bytes_; }

 private:
  std::string bytes_;
};

std::uint64_t offset_of(const std::vector<Elf64_Phdr>& headers, std::uint64_t address) {
  for (const Elf64_Phdr& header : headers) {
    if (header.p_type == PT_LOAD && address - header.p_vaddr < header.p_filesz) {
      return address - header.p_vaddr + header.p_offset;
    }
  }
  return ~std::uint64_t{0};
}

std::string reason_in_symbols(const File& file, const std::vector<Elf64_Phdr>& headers, const Elf64_Phdr& dynamic) {
  std::uint64_t symbols = 0;
  std::uint64_t names = 0;
  std::vector<std::uint64_t> needed;
  Elf64_Dyn entry;
  for (std::uint64_t place = dynamic.p_offset; file.read(place, entry) && entry.d_tag != DT_NULL;
       place += sizeof(entry)) {
    if (entry.d_tag == DT_SYMTAB) symbols = offset_of(headers, entry.d_un.d_ptr);
    if (entry.d_tag == DT_STRTAB) names = offset_of(headers, entry.d_un.d_ptr);
    if (entry.d_tag == DT_NEEDED) needed.push_back(entry.d_un.d_val);
  }
  for (const std::uint64_t name : needed) {
    const std::string library = file.text(names + name);
    for (const char* sanitizer : {"libasan.so", "libtsan.so", "liblsan.so", "libhwasan.so"}) {
      if (library.compare(0, std::strlen(sanitizer), sanitizer) == 0) return "it is built with a sanitizer";
    }
  }
  Elf64_Sym symbol;
  for (std::uint64_t place = symbols + sizeof(symbol); place + sizeof(symbol) <= names && file.read(place, symbol);
       place += sizeof(symbol)) {
    if (symbol.st_shndx == SHN_UNDEF) continue;
    const std::string name = file.text(names + symbol.st_name);
    if (name == "__asan_init" || name == "__tsan_init" || name == "__msan_init") return "it is built with a sanitizer";
    if (name == "malloc") return "it has a malloc of its own";
  }
  return "";
}

std::string reason_in_program(const std::string& path, const File& file) {
  Elf64_Ehdr header;
  if (!file.read(0, header) || std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0) return "it is no ELF file";
#if defined(__x86_64__)
  constexpr Elf64_Half kMachine = EM_X86_64;
#else
  constexpr Elf64_Half kMachine = EM_AARCH64;
#endif
  if (header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_machine != kMachine) return "it is for another machine";
  std::vector<Elf64_Phdr> headers;
  for (unsigned number = 0; number < header.e_phnum; ++number) {
    Elf64_Phdr one;
    if (!file.read(header.e_phoff + std::uint64_t{number} * sizeof(one), one)) return "it is no whole ELF file";
    headers.push_back(one);
  }
  std::string interpreter;
  const Elf64_Phdr* dynamic = nullptr;
  for (const Elf64_Phdr& one : headers) {
    if (one.p_type == PT_INTERP) interpreter = file.text(one.p_offset);
    if (one.p_type == PT_DYNAMIC) dynamic = &one;
  }
  if (interpreter.empty() || dynamic == nullptr) return "it is linked statically";
  if (interpreter.find("/ld-linux") == std::string::npos) return "its C library is not glibc (" + interpreter + ")";
  struct stat status;
  if (stat(path.c_str(), &status) == 0) {
    const bool other_user = (status.st_mode & S_ISUID) != 0 && status.st_uid != geteuid();
    const bool other_group = (status.st_mode & S_ISGID) != 0 && status.st_gid != getegid();
    const bool capable = geteuid() != 0 && getxattr(path.c_str(), "security.capability", nullptr, 0) > 0;
    if (other_user || other_group || capable) return "the system starts it in secure mode (set-user-ID or the like)";
  }
  return reason_in_symbols(file, headers, *dynamic);
}

}  // namespace

std::string find_program(const std::string& command) {
  const auto fits = [](const std::string& path) {
    struct stat status;
    if (stat(path.c_str(), &status) != 0) return false;
    if (S_ISDIR(status.st_mode)) {
      errno = EISDIR;
      return false;
    }
    return access(path.c_str(), X_OK) == 0;
  };
  if (command.find('/') != std::string::npos) return fits(command) ? command : "";
  const char* path = std::getenv("PATH");
  std::istringstream folders(path != nullptr ? path : "/bin:/usr/bin");
  int why = ENOENT;
  for (std::string folder; std::getline(folders, folder, ':');) {
    const std::string file = (folder.empty() ? "." : folder) + "/" + command;
    if (fits(file)) return file;
    if (errno == EACCES) why = EACCES;
  }
  errno = why;
  return "";
}

std::string reason_against(const std::string& path) {
  std::string file = path;
  for (int depth = 0; depth < 5; ++depth) {
    std::ifstream stream(file, std::ios::binary);
    if (!stream) return "it cannot be read";
    std::string bytes{std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
    if (bytes.compare(0, 2, "#!") != 0) {
      if (bytes.compare(0, SELFMAG, ELFMAG) == 0) return reason_in_program(file, File(std::move(bytes)));
      if (file == path) return reason_against("/bin/sh");  // as execvp runs a text
      return "its interpreter is no ELF file";
    }
    const std::size_t first = bytes.find_first_not_of(" \t", 2);
    const std::size_t end = bytes.find_first_of(" \t\n", first);
    if (first == std::string::npos) return "its first line names no interpreter";
    file = bytes.substr(first, end - first);
  }
  return "its interpreters are too many";
}

}  // namespace berth::tool
