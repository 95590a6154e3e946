// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// module_file.hpp by a descriptor.
#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <string_view>

#include "host_api/src/modules/file_time_linux.hpp"
#include "host_api/src/modules/mapped_file_linux.hpp"
#include "host_api/src/modules/module_file.hpp"
#include "host_api/src/modules/module_inspection.hpp"
#include "host_api/src/modules/module_list_linux.hpp"

namespace berth::detail {

namespace {

constexpr const char* kNoPlainFile = "it is no plain file";

bool read_at(int file, std::uint64_t place, void* into, std::size_t bytes) noexcept {
  if (place > INT64_MAX - bytes) return false;
  auto* out = static_cast<unsigned char*>(into);
  while (bytes != 0) {
    const ssize_t got = ::pread(file, out, bytes, static_cast<off_t>(place));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    out += got;
    place += static_cast<std::uint64_t>(got);
    bytes -= static_cast<std::size_t>(got);
  }
  return true;
}

FileIdentity identity_of(const struct stat& status) noexcept {
  return {static_cast<std::uint64_t>(status.st_dev), static_cast<std::uint64_t>(status.st_ino)};
}

bool is_part_of_a_name(char c) noexcept {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
}

}  // namespace

bool ModuleFile::open(const std::filesystem::path& path, std::string& failure, std::error_code& error) {
  struct stat status;
  // Asked before it is opened, for a device may do something when it is.
  if (::stat(path.c_str(), &status) != 0) {
    error = std::error_code(errno, std::generic_category());
    failure = error.message();
    return false;
  }
  if (!S_ISREG(status.st_mode)) {
    failure = kNoPlainFile;
    return false;
  }
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (file < 0) {
    error = std::error_code(errno, std::generic_category());
    failure = error.message();
    return false;
  }
  return take(file, failure);
}

bool ModuleFile::take(std::intptr_t native, std::string& failure) {
  close();
  native_ = native;
  struct stat status;
  if (::fstat(static_cast<int>(native_), &status) != 0) {
    failure = std::error_code(errno, std::generic_category()).message();
  } else if (!S_ISREG(status.st_mode)) {
    failure = kNoPlainFile;
  } else {
    identity_ = identity_of(status);
    accept_changes();
    return true;
  }
  close();
  return false;
}

void ModuleFile::close() noexcept {
  if (native_ != kNone) ::close(static_cast<int>(native_));
  native_ = kNone;
}

bool ModuleFile::is_at(const std::filesystem::path& path) const noexcept {
  struct stat status;
  return ::stat(path.c_str(), &status) == 0 && identity_ == identity_of(status);
}

std::optional<ModuleFile::Version> ModuleFile::version() const noexcept {
  struct stat status;
  if (native_ == kNone || ::fstat(static_cast<int>(native_), &status) != 0) return std::nullopt;
  return Version{static_cast<std::uint64_t>(status.st_size), nanoseconds(status.st_mtim), nanoseconds(status.st_ctim)};
}

bool ModuleFile::was_written() const noexcept {
  const std::optional<Version> now = version();
  return now && (now->bytes != opened_.bytes || now->written != opened_.written);
}

void ModuleFile::accept_changes() noexcept { opened_ = version().value_or(Version()); }

std::string ModuleFile::defect() const {
  const int file = static_cast<int>(native_);
  const std::uint64_t size = version().value_or(Version()).bytes;
  ElfW(Ehdr) header{};
  // What is no module at all, the loader tells.
  if (!read_at(file, 0, &header, sizeof(header)) || std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 ||
      header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_phentsize != sizeof(ElfW(Phdr))) {
    return {};
  }
  std::uint64_t needed = 0;
  for (unsigned i = 0; i < header.e_phnum; ++i) {
    ElfW(Phdr) segment{};
    if (!read_at(file, header.e_phoff + i * sizeof(segment), &segment, sizeof(segment))) {
      return "it is cut off: " + std::to_string(size) + " bytes, not even all of its headers";
    }
    if (segment.p_type != PT_LOAD) continue;
    needed = std::max<std::uint64_t>(needed, segment.p_offset + segment.p_filesz);
  }
  if (needed <= size) return {};
  return "it is cut off: " + std::to_string(size) + " bytes of " + std::to_string(needed);
}

std::optional<bool> ModuleFile::is_mapped_as(const ModuleIdentity& module) const {
  if (native_ == kNone) return std::nullopt;
  std::uintptr_t address = 0;  // in its first segment
  any_module([&](const dl_phdr_info& info) {
    if (!matches(info, module)) return false;
    for (const ElfW(Phdr) & segment : std::span(info.dlpi_phdr, info.dlpi_phnum)) {
      if (segment.p_type != PT_LOAD || segment.p_filesz == 0) continue;
      address = info.dlpi_addr + segment.p_vaddr;
      break;
    }
    return true;
  });
  if (address == 0) return std::nullopt;
  return is_mapped_from(static_cast<int>(native_), address);
}

// By glibc's rule: the name ends where an identifier would, or stands in braces.
std::string loader_token(const std::filesystem::path& path) {
  constexpr std::array<std::string_view, 3> kTokens = {"ORIGIN", "PLATFORM", "LIB"};
  const std::string_view text = path.native();
  for (std::size_t at = text.find('$'); at != std::string_view::npos; at = text.find('$', at + 1)) {
    const std::size_t brace = text.substr(at + 1).starts_with('{') ? 1 : 0;
    const std::string_view rest = text.substr(at + 1 + brace);
    for (const std::string_view token : kTokens) {
      if (!rest.starts_with(token)) continue;
      const char next = rest.size() > token.size() ? rest[token.size()] : '\0';
      const bool ends = brace != 0 ? next == '}' : !is_part_of_a_name(next);
      if (ends) return std::string(text.substr(at, 1 + brace + token.size() + brace));
    }
  }
  return {};
}

}  // namespace berth::detail
