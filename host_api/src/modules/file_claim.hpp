// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Which module files belong to a plugin of this process, over all Hosts: a module can be mapped once only, so a second
// load of the same file must be refused before it does anything.
#pragma once

#include <cstdint>

namespace berth::detail {

// A file by what names it in the system, whatever path leads to it.
struct FileIdentity {
  std::uint64_t device = 0;
  std::uint64_t inode = 0;
  bool operator==(const FileIdentity&) const = default;
};

// Holds one file from before it is opened until its module has left the process. Entries sit in a list of the claims
// themselves: the process keeps nothing when there are none.
class FileClaim {
 public:
  FileClaim() = default;
  FileClaim(const FileClaim&) = delete;
  FileClaim& operator=(const FileClaim&) = delete;
  ~FileClaim() { release(); }

  // False if another claim holds the file. [any thread]
  bool take(const FileIdentity& file) noexcept;
  void release() noexcept;

 private:
  FileIdentity file_;
  bool held_ = false;
  FileClaim* next_ = nullptr;
};

}  // namespace berth::detail
