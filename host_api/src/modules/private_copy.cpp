// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Where a copy is made, the same for every system.
#include "host_api/src/modules/private_copy.hpp"

#include <system_error>
#include <utility>

namespace berth::detail {

bool PrivateCopy::make(const ModuleFile& original, const std::filesystem::path& path, std::string& failure) {
  elsewhere_.clear();
  const Result beside = make_in(path.parent_path(), original, path, failure);
  if (beside != Result::FolderRefuses) return beside == Result::Made;
  elsewhere_.swap(failure);
  std::error_code error;
  const std::filesystem::path temporary = std::filesystem::temp_directory_path(error);
  if (!error) {
    const Result there = make_in(temporary, original, path, failure);
    if (there != Result::FolderRefuses) return there == Result::Made;
  }
  failure = elsewhere_ + "; " + (error ? "no folder for temporary files: " + error.message() : failure);
  return false;
}

std::filesystem::path PrivateCopy::keep() noexcept {
  file_.close();
  return std::exchange(path_, {});
}

}  // namespace berth::detail
