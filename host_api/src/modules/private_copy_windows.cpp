// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// A named file. The system does not let go of one that is mapped as a module, so that it stays until the module has
// left; where that is never, after the process. While it is open here nobody can write to it.
#include <windows.h>

#include <system_error>

#include "host_api/src/modules/private_copy.hpp"

namespace berth::detail {

namespace {

std::error_code last_error() noexcept { return {static_cast<int>(::GetLastError()), std::system_category()}; }

}  // namespace

PrivateCopy::Result PrivateCopy::make_in(const std::filesystem::path& folder, const ModuleFile& original,
                                         const std::filesystem::path& path, std::string& failure) {
  constexpr std::size_t kStem = 200;  // a file's name has 255 characters at most
  constexpr int kTurns = 8;
  const std::optional<ModuleFile::Version> before = original.version();
  std::error_code error(ERROR_FILE_EXISTS, std::system_category());
  for (unsigned number = 0; error.value() == ERROR_FILE_EXISTS; ++number) {
    path_ = folder / path.stem().native().substr(0, kStem);
    for (const unsigned long part : {::GetCurrentProcessId(), DWORD{number}}) (path_ += "-") += std::to_string(part);
    path_ += path.extension();
    error.clear();
    if (::CopyFileW(path.c_str(), path_.c_str(), TRUE) == 0) error = last_error();
  }
  if (error) {
    path_.clear();
    failure = "in " + folder.string() + ": " + error.message();
    return Result::FolderRefuses;
  }
  std::optional<ModuleFile::Version> after = original.version();
  std::optional<ModuleFile::Version> known = before;
  for (int turn = 0; turn < kTurns && after != known; ++turn) {
    known = after;
    ::Sleep(1);
    if (::CopyFileW(path.c_str(), path_.c_str(), FALSE) == 0) break;
    after = original.version();
  }
  ::SetFileAttributesW(path_.c_str(), FILE_ATTRIBUTE_HIDDEN);  // no longer read-only, should the original be
  const HANDLE file = ::CreateFileW(path_.c_str(), GENERIC_READ, FILE_SHARE_READ | FILE_SHARE_DELETE, nullptr,
                                    OPEN_EXISTING, FILE_ATTRIBUTE_NORMAL, nullptr);
  if (file == INVALID_HANDLE_VALUE) {
    failure = "in " + folder.string() + ": " + last_error().message();
    remove();
    return Result::FolderRefuses;
  }
  if (!file_.take(reinterpret_cast<std::intptr_t>(file), failure)) {
    remove();
    return Result::FolderRefuses;
  }
  failure = after == known ? file_.defect() : "it changes while it is copied";
  if (failure.empty()) return Result::Made;
  remove();
  return Result::OriginalRefuses;
}

void PrivateCopy::was_opened() noexcept { file_.close(); }

void PrivateCopy::remove() noexcept {
  file_.close();
  if (path_.empty()) return;
  ::DeleteFileW(path_.c_str());
  path_.clear();
}

}  // namespace berth::detail
