// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// A copy of a module's file, for loading it a second time: the loader knows a file by its name and by what it is on the
// disk, and gives what it knows already instead of another module.
#pragma once

#include <filesystem>
#include <string>

#include "host_api/src/modules/module_file.hpp"

namespace berth::detail {

// The file exists while this does, or until remove(). It is its owner's alone, whatever rights the original gives.
class PrivateCopy {
 public:
  PrivateCopy() = default;
  PrivateCopy(const PrivateCopy&) = delete;
  PrivateCopy& operator=(const PrivateCopy&) = delete;
  ~PrivateCopy() { remove(); }

  // Beside the file, so that the run paths of its dependencies ($ORIGIN) and what it looks for in its own folder
  // (dladdr) are found; in the folder for temporary files if that folder refuses. It is the original as it was at one
  // moment, and sound as far as ModuleFile::defect() sees. False: none is there, and `failure` says why.
  bool make(const ModuleFile& original, const std::filesystem::path& path, std::string& failure);

  // A module was opened from it, or could not be: the file goes, where the system lets it go as long as it is mapped.
  void was_opened() noexcept;

  // Leaves the file to the caller.
  std::filesystem::path keep() noexcept;

  // The module has left.
  void remove() noexcept;

  const std::filesystem::path& path() const noexcept { return path_; }
  // What was checked; open until was_opened().
  ModuleFile& file() noexcept { return file_; }
  // Empty if it is beside the file, else why not.
  const std::string& elsewhere() const noexcept { return elsewhere_; }

 private:
  enum class Result { Made, FolderRefuses, OriginalRefuses };
  Result make_in(const std::filesystem::path& folder, const ModuleFile& original, const std::filesystem::path& path,
                 std::string& failure);

  std::filesystem::path path_;
  ModuleFile file_;
  std::string elsewhere_;
};

}  // namespace berth::detail
