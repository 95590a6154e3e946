// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
#include "tools/run/target.hpp"

#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cstdint>
#include <cstring>
#include <initializer_list>

#include "tools/run/begins.hpp"

namespace berth::run {

namespace {

// A file, mapped. Everything in it is looked up with its bounds.
class File {
 public:
  explicit File(int descriptor) noexcept {
    struct stat status;
    if (descriptor < 0 || fstat(descriptor, &status) != 0 || !S_ISREG(status.st_mode) || status.st_size <= 0) return;
    size_ = static_cast<std::size_t>(status.st_size);
    void* mapped = mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, descriptor, 0);
    if (mapped == MAP_FAILED) return;
    bytes_ = static_cast<const char*>(mapped);
  }
  ~File() {
    if (bytes_ != nullptr) munmap(const_cast<char*>(bytes_), size_);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;

  explicit operator bool() const noexcept { return bytes_ != nullptr; }

  // Of the file's tables, which may lie anywhere.
  template <typename T>
  bool read(std::uint64_t offset, T& out) const noexcept {
    if (offset > size_ || sizeof(T) > size_ - offset) return false;
    std::memcpy(&out, bytes_ + offset, sizeof(T));
    return true;
  }
  // "" where no text ends inside the file.
  const char* text(std::uint64_t offset) const noexcept {
    if (offset >= size_ || std::memchr(bytes_ + offset, '\0', size_ - offset) == nullptr) return "";
    return bytes_ + offset;
  }
  bool starts_with(const char* start, std::size_t length) const noexcept {
    return length <= size_ && std::memcmp(bytes_, start, length) == 0;
  }
  const char* bytes() const noexcept { return bytes_; }
  std::size_t size() const noexcept { return size_; }

 private:
  const char* bytes_ = nullptr;
  std::size_t size_ = 0;
};

bool is_because(Reason& reason, const char* text, const char* more = "", const char* end = "") noexcept {
  std::size_t used = 0;
  for (const char* part : {text, more, end}) {
    for (; *part != '\0' && used + 1 < sizeof(reason.text); ++part) reason.text[used++] = *part;
  }
  reason.text[used] = '\0';
  return true;
}

struct Program {
  const File& file;
  Elf64_Ehdr header;

  // False: there is none of that number.
  bool segment(unsigned number, Elf64_Phdr& out) const noexcept {
    return number < header.e_phnum && file.read(header.e_phoff + std::uint64_t{number} * sizeof(out), out);
  }
  std::uint64_t offset_of(std::uint64_t address) const noexcept {
    Elf64_Phdr one;
    for (unsigned number = 0; segment(number, one); ++number) {
      if (one.p_type == PT_LOAD && address - one.p_vaddr < one.p_filesz) return address - one.p_vaddr + one.p_offset;
    }
    return ~std::uint64_t{0};
  }
};

constexpr const char* kSanitized = "it is built with a sanitizer";

bool find_reason_in_symbols(const Program& program, const Elf64_Phdr& dynamic, Reason& reason) noexcept {
  const File& file = program.file;
  std::uint64_t symbols = 0;
  std::uint64_t names = 0;
  const auto for_each_entry = [&](auto&& visit) noexcept {
    Elf64_Dyn entry;
    for (std::uint64_t place = dynamic.p_offset; file.read(place, entry) && entry.d_tag != DT_NULL;
         place += sizeof(entry)) {
      visit(entry);
    }
  };
  for_each_entry([&](const Elf64_Dyn& entry) noexcept {
    if (entry.d_tag == DT_SYMTAB) symbols = program.offset_of(entry.d_un.d_ptr);
    if (entry.d_tag == DT_STRTAB) names = program.offset_of(entry.d_un.d_ptr);
  });
  bool is_sanitized = false;
  for_each_entry([&](const Elf64_Dyn& entry) noexcept {
    if (entry.d_tag != DT_NEEDED) return;
    for (const char* library : {"libasan.so", "libtsan.so", "liblsan.so", "libhwasan.so"}) {
      is_sanitized |= begins(file.text(names + entry.d_un.d_val), library);
    }
  });
  if (is_sanitized) return is_because(reason, kSanitized);
  Elf64_Sym symbol;
  for (std::uint64_t place = symbols + sizeof(symbol); place + sizeof(symbol) <= names && file.read(place, symbol);
       place += sizeof(symbol)) {
    if (symbol.st_shndx == SHN_UNDEF) continue;
    const char* name = file.text(names + symbol.st_name);
    for (const char* start : {"__asan_init", "__tsan_init", "__msan_init", "__lsan_init", "__hwasan_init"}) {
      if (std::strcmp(name, start) == 0) return is_because(reason, kSanitized);
    }
    if (std::strcmp(name, "malloc") == 0) return is_because(reason, "it has a malloc of its own");
  }
  return false;
}

bool starts_in_secure_mode(int descriptor) noexcept {
  struct stat status;
  if (fstat(descriptor, &status) != 0) return false;
  const bool other_user = (status.st_mode & S_ISUID) != 0 && status.st_uid != geteuid();
  const bool other_group =
      (status.st_mode & S_ISGID) != 0 && (status.st_mode & S_IXGRP) != 0 && status.st_gid != getegid();
  return other_user || other_group || (geteuid() != 0 && fgetxattr(descriptor, "security.capability", nullptr, 0) > 0);
}

bool find_reason_in_program(const File& file, int descriptor, Reason& reason) noexcept {
  Program program{file, {}};
  if (!file.read(0, program.header)) return is_because(reason, "it is no whole ELF file");
#if defined(__x86_64__)
  constexpr Elf64_Half kMachine = EM_X86_64;
#else
  constexpr Elf64_Half kMachine = EM_AARCH64;
#endif
  if (program.header.e_ident[EI_CLASS] != ELFCLASS64 || program.header.e_machine != kMachine) {
    return is_because(reason, "it is for another machine");
  }
  const char* interpreter = "";
  Elf64_Phdr dynamic = {};
  Elf64_Phdr one;
  for (unsigned number = 0; number < program.header.e_phnum; ++number) {
    if (!program.segment(number, one)) return is_because(reason, "it is no whole ELF file");
    if (one.p_type == PT_INTERP) interpreter = file.text(one.p_offset);
    if (one.p_type == PT_DYNAMIC) dynamic = one;
  }
  if (interpreter[0] == '\0' || dynamic.p_type != PT_DYNAMIC) return is_because(reason, "it is linked statically");
  if (std::strstr(interpreter, "/ld-linux") == nullptr) {
    return is_because(reason, "its C library is not glibc (", interpreter, ")");
  }
  if (starts_in_secure_mode(descriptor)) {
    return is_because(reason, "the system starts it in secure mode (set-user-ID or the like)");
  }
  return find_reason_in_symbols(program, dynamic, reason);
}

// The interpreter that a script's first line names. False: none.
bool interpreter_of(const File& file, char (&out)[256]) noexcept {
  const char* place = file.bytes() + 2;
  const char* end = file.bytes() + file.size();
  while (place < end && (*place == ' ' || *place == '\t')) ++place;
  std::size_t used = 0;
  for (; place < end && *place != ' ' && *place != '\t' && *place != '\n' && *place != '\0'; ++place) {
    if (used + 1 == sizeof(out)) return false;
    out[used++] = *place;
  }
  out[used] = '\0';
  return used != 0;
}

constexpr int kMostInterpreters = 5;

bool find_reason(const char* path, int depth, Reason& reason) noexcept;

bool find_reason(int descriptor, int depth, Reason& reason) noexcept {
  if (depth == kMostInterpreters) return is_because(reason, "its interpreters are too many");
  const File file(descriptor);
  if (!file) return is_because(reason, "it cannot be read");
  if (file.starts_with(ELFMAG, SELFMAG)) return find_reason_in_program(file, descriptor, reason);
  if (!file.starts_with("#!", 2)) return find_reason("/bin/sh", depth + 1, reason);  // as execvp runs a text
  char interpreter[256];
  if (!interpreter_of(file, interpreter)) return is_because(reason, "its first line names no interpreter");
  return find_reason(interpreter, depth + 1, reason);
}

bool find_reason(const char* path, int depth, Reason& reason) noexcept {
  const int descriptor = open(path, O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return is_because(reason, "it cannot be read");
  const bool found = find_reason(descriptor, depth, reason);
  close(descriptor);
  return found;
}

}  // namespace

bool find_reason_against(int file, Reason& reason) noexcept { return find_reason(file, 0, reason); }
bool find_reason_against(const char* path, Reason& reason) noexcept { return find_reason(path, 0, reason); }

bool can_be_started(const char* path) noexcept {
  struct stat status;
  return stat(path, &status) == 0 && S_ISREG(status.st_mode) && access(path, X_OK) == 0;
}

}  // namespace berth::run
