// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Which module files belong to a plugin of this process, over all Hosts: a module can be mapped once only, so a second
// load of the same file must be refused before it does anything.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace berth::detail {

// A file by what names it in the system, whatever path leads to it.
struct FileIdentity {
  std::uint64_t device = 0;
  std::uint64_t inode = 0;
  bool operator==(const FileIdentity&) const = default;
};

// Holds one file from before it is opened until its module has left the process. Claims sit in a table's rows by
// themselves: the process keeps nothing when there are none.
class FileClaim {
 public:
  FileClaim() = default;
  FileClaim(const FileClaim&) = delete;
  FileClaim& operator=(const FileClaim&) = delete;
  ~FileClaim() { release(); }

  // False if another claim holds the file; then `holder` is that one's plugin. The path is the one that the loader is
  // given. [any thread]
  bool take(const FileIdentity& file, const std::string& plugin, const std::string& path, std::string& holder);
  // The plugin has told another name.
  void rename(std::string plugin) noexcept;
  void release() noexcept;

  // The other plugin that holds a file which was at this path when the loader was given it; empty if none. [any thread]
  std::string other_holder_of(const std::string& path) const;

 private:
  FileIdentity file_;
  std::string plugin_;
  std::string path_;
  bool held_ = false;
  FileClaim* next_ = nullptr;   // in the row
  FileClaim** link_ = nullptr;  // what leads to this one
};

}  // namespace berth::detail
