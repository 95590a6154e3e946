// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// A folder of a test's own, with copies of fixtures in it.
#pragma once

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <string>

#include "host_fixtures.hpp"
#include "support/catch.hpp"

namespace berth::tests {

class OwnFolder {
 public:
  OwnFolder() {
    std::string name = std::filesystem::canonical(std::filesystem::temp_directory_path()) / "berth_host_test.XXXXXX";
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    path_ = name;
  }
  OwnFolder(const OwnFolder&) = delete;
  OwnFolder& operator=(const OwnFolder&) = delete;
  ~OwnFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }

  const std::filesystem::path& path() const { return path_; }

  // A new file there, under that name; what the name means already is replaced by a rename.
  std::filesystem::path put(const std::string& fixture_name, const std::filesystem::path& name) const {
    const std::filesystem::path file = path_ / name;
    std::filesystem::create_directories(file.parent_path());
    const std::filesystem::path fresh = file.string() + ".new";
    std::filesystem::copy_file(fixture(fixture_name), fresh);
    std::filesystem::rename(fresh, file);
    return file;
  }

 private:
  std::filesystem::path path_;
};

}  // namespace berth::tests
