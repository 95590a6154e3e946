// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Where the sample host's own files are: found by where the program is itself, so that a build folder can be moved.
#pragma once

#include <filesystem>

namespace sample_host {

constexpr const char* kDefaultScript = "words.lua";
constexpr const char* kDefaultQueries = "queries.sql";

inline std::filesystem::path program_path() { return std::filesystem::read_symlink("/proc/self/exe"); }
inline std::filesystem::path own_inputs_folder() { return program_path().parent_path() / "inputs"; }
inline std::filesystem::path sample_plugins_folder() {
  return program_path().parent_path().parent_path() / "sample_plugins";
}

}  // namespace sample_host
