// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// A named file. The system does not let go of one that is mapped as a module, so that it stays until the module has
// left; where that is never, after the process.
#include <windows.h>

#include <system_error>

#include "host_api/src/modules/private_copy.hpp"

namespace berth::detail {

bool PrivateCopy::make(const std::filesystem::path& file, std::string& failure) {
  if (make_in(file.parent_path(), file, elsewhere_)) {
    elsewhere_.clear();
    return true;
  }
  std::error_code error;
  const std::filesystem::path temporary = std::filesystem::temp_directory_path(error);
  if (!error && make_in(temporary, file, failure)) return true;
  failure = elsewhere_ + "; " + (error ? "no folder for temporary files: " + error.message() : failure);
  return false;
}

bool PrivateCopy::make_in(const std::filesystem::path& folder, const std::filesystem::path& file,
                          std::string& failure) {
  constexpr std::size_t kStem = 200;  // a file's name has 255 characters at most
  std::error_code error(ERROR_FILE_EXISTS, std::system_category());
  for (unsigned number = 0; error.value() == ERROR_FILE_EXISTS; ++number) {
    path_ = folder / file.stem().native().substr(0, kStem);
    for (const unsigned long part : {::GetCurrentProcessId(), DWORD{number}}) (path_ += "-") += std::to_string(part);
    path_ += file.extension();
    error.clear();
    if (::CopyFileW(file.c_str(), path_.c_str(), TRUE) != 0) break;
    error.assign(static_cast<int>(::GetLastError()), std::system_category());
  }
  if (!error) {
    ::SetFileAttributesW(path_.c_str(), FILE_ATTRIBUTE_HIDDEN);  // no longer read-only, should the original be
    return true;
  }
  path_.clear();
  failure = "in " + folder.string() + ": " + error.message();
  return false;
}

void PrivateCopy::was_opened() noexcept {}

void PrivateCopy::remove() noexcept {
  if (path_.empty()) return;
  ::DeleteFileW(path_.c_str());
  path_.clear();
}

}  // namespace berth::detail
