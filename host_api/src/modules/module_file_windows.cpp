// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// module_file.hpp by a HANDLE. The loader puts nothing for anything in a path, but adds ".dll" where the name has no
// ending: which file a module was made from is asked by the module's own path.
#include "host_api/src/modules/module_file_windows.hpp"

#include <windows.h>

#include <algorithm>
#include <cstddef>

#include "host_api/src/modules/module_file.hpp"
#include "host_api/src/modules/module_inspection.hpp"

namespace berth::detail {

namespace {

constexpr DWORD kShareAll = FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE;

std::error_code last_error() noexcept { return {static_cast<int>(::GetLastError()), std::system_category()}; }

HANDLE handle_of(std::intptr_t native) noexcept { return reinterpret_cast<HANDLE>(native); }

FileIdentity identity_of_file(const BY_HANDLE_FILE_INFORMATION& told) noexcept {
  return {told.dwVolumeSerialNumber, (std::uint64_t{told.nFileIndexHigh} << 32) | told.nFileIndexLow};
}

template <typename Value>
bool read_at(HANDLE file, std::uint64_t place, Value& into) noexcept {
  OVERLAPPED at{};
  at.Offset = static_cast<DWORD>(place);
  at.OffsetHigh = static_cast<DWORD>(place >> 32);
  DWORD got = 0;
  return ::ReadFile(file, &into, sizeof(into), &got, &at) != 0 && got == sizeof(into);
}

}  // namespace

std::optional<FileIdentity> identify_file(const std::filesystem::path& path) noexcept {
  // Without a right to anything, so that nobody's use of the file is in the way. The flag opens folders, too.
  const HANDLE file =
      ::CreateFileW(path.c_str(), 0, kShareAll, nullptr, OPEN_EXISTING, FILE_FLAG_BACKUP_SEMANTICS, nullptr);
  if (file == INVALID_HANDLE_VALUE) return std::nullopt;
  BY_HANDLE_FILE_INFORMATION told;
  const bool known = ::GetFileInformationByHandle(file, &told) != 0;
  ::CloseHandle(file);
  if (!known) return std::nullopt;
  return identity_of_file(told);
}

bool ModuleFile::open(const std::filesystem::path& path, std::string& failure, std::error_code& error) {
  std::error_code ignored;
  if (std::filesystem::exists(path, ignored) && !std::filesystem::is_regular_file(path, ignored)) {
    failure = "it is no plain file";
    return false;
  }
  const HANDLE file =
      ::CreateFileW(path.c_str(), GENERIC_READ, kShareAll, nullptr, OPEN_EXISTING, FILE_ATTRIBUTE_NORMAL, nullptr);
  if (file == INVALID_HANDLE_VALUE) {
    error = last_error();
    failure = error.message();
    return false;
  }
  return take(reinterpret_cast<std::intptr_t>(file), failure);
}

bool ModuleFile::take(std::intptr_t native, std::string& failure) {
  close();
  native_ = native;
  BY_HANDLE_FILE_INFORMATION told;
  if (::GetFileInformationByHandle(handle_of(native_), &told) == 0) {
    failure = last_error().message();
    close();
    return false;
  }
  identity_ = identity_of_file(told);
  accept_changes();
  return true;
}

void ModuleFile::close() noexcept {
  if (native_ != kNone) ::CloseHandle(handle_of(native_));
  native_ = kNone;
}

bool ModuleFile::is_at(const std::filesystem::path& path) const noexcept { return identify_file(path) == identity_; }

std::optional<ModuleFile::Version> ModuleFile::version() const noexcept {
  BY_HANDLE_FILE_INFORMATION told;
  if (native_ == kNone || ::GetFileInformationByHandle(handle_of(native_), &told) == 0) return std::nullopt;
  const std::uint64_t written =
      (std::uint64_t{told.ftLastWriteTime.dwHighDateTime} << 32) | told.ftLastWriteTime.dwLowDateTime;
  return Version{(std::uint64_t{told.nFileSizeHigh} << 32) | told.nFileSizeLow, written, written};
}

bool ModuleFile::was_written() const noexcept {
  const std::optional<Version> now = version();
  return now && (now->bytes != opened_.bytes || now->written != opened_.written);
}

void ModuleFile::accept_changes() noexcept { opened_ = version().value_or(Version()); }

std::string ModuleFile::defect() const {
  const HANDLE file = handle_of(native_);
  const std::uint64_t size = version().value_or(Version()).bytes;
  // What is no module at all, the loader tells.
  IMAGE_DOS_HEADER start{};
  IMAGE_NT_HEADERS headers{};
  if (!read_at(file, 0, start) || start.e_magic != IMAGE_DOS_SIGNATURE) return {};
  const std::string cut_off = "it is cut off: " + std::to_string(size) + " bytes";
  const auto at = static_cast<std::uint64_t>(start.e_lfanew);
  if (!read_at(file, at, headers)) return cut_off + ", not even all of its headers";
  if (headers.Signature != IMAGE_NT_SIGNATURE) return {};
  const std::uint64_t sections =
      at + offsetof(IMAGE_NT_HEADERS, OptionalHeader) + headers.FileHeader.SizeOfOptionalHeader;
  std::uint64_t needed = 0;
  for (unsigned i = 0; i < headers.FileHeader.NumberOfSections; ++i) {
    IMAGE_SECTION_HEADER section{};
    if (!read_at(file, sections + i * sizeof(section), section)) return cut_off + ", not even all of its headers";
    // The rest of a section's last block in the file may be missing.
    const std::uint64_t used = std::min(section.SizeOfRawData, section.Misc.VirtualSize);
    if (used != 0) needed = std::max<std::uint64_t>(needed, section.PointerToRawData + used);
  }
  return needed <= size ? std::string() : cut_off + " of " + std::to_string(needed);
}

std::optional<bool> ModuleFile::is_mapped_as(const ModuleIdentity& module) const {
  const std::optional<FileIdentity> file = identify_file(std::filesystem::path(module.name));
  if (native_ == kNone || !file) return std::nullopt;
  return *file == identity_;
}

std::string loader_token(const std::filesystem::path&) { return {}; }

}  // namespace berth::detail
