// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Where the sample host's own files are: found by where the program is itself, so that a build folder can be moved; and
// which of the sample plugins there are.
#pragma once

#include <filesystem>
#include <string_view>

#include "system.hpp"

namespace sample_host {

constexpr const char* kDefaultScript = "words.lua";
constexpr const char* kDefaultQueries = "queries.sql";

inline std::filesystem::path own_inputs_folder() { return program_path().parent_path() / "inputs"; }
inline std::filesystem::path sample_plugins_folder() {
  return program_path().parent_path().parent_path() / "sample_plugins";
}
inline std::filesystem::path plugin_file(const std::filesystem::path& folder, std::string_view name) {
  return (folder / name) += kModuleSuffix;
}

// Whether a sample plugin was built: not every system has the libraries that some of them need.
bool has_sample_plugin(std::string_view name);

}  // namespace sample_host
