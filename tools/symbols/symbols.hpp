// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// File and line of code, out of the debug information of its module's file. Never in a host's process: it allocates,
// and reads files that may be anything.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>

namespace berth::symbols {

// "echo::Line::grow(int)+0x1f" of "_ZN4echo4Line4growEi+0x1f"; anything else as it is.
std::string as_written(const std::string& frame);

struct Line {
  std::string file;  // as the compiler was told, with its folder; empty: unknown
  int number = 0;
  std::string inlined;  // of what was inlined there, from the outside: ", in push alloc.h:7"

  // "line.cpp:41", or "line.cpp:41, in push alloc.h:7"; empty: unknown.
  std::string brief() const;
};

// Files of modules that have left memory, or lie in another process.
class Files {
 public:
  Files();
  ~Files();
  Files(const Files&) = delete;
  Files& operator=(const Files&) = delete;

  // Of a return address, as the file counts. Unknown where the file is another one than was loaded.
  Line line_of(const std::string& path, const std::string& build_id, std::uint64_t return_address);

  // Why no line of a file is known, as a phrase behind its name; empty: there are some.
  std::string why_not(const std::string& path, const std::string& build_id);

 private:
  struct File;
  File& file(const std::string& path, const std::string& build_id);
  std::map<std::pair<std::string, std::string>, std::unique_ptr<File>> files_;
};

}  // namespace berth::symbols
