// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Modules as the tests load them, by the system's loader alone, and copies of their files: the loader takes a file of
// another name for another module.
#pragma once

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <random>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "embedded.h"
#include "loader.hpp"

namespace embedded {

// The paths in a list that the build made.
inline std::vector<std::string> modules(const std::string& list) {
  std::vector<std::string> paths;
  for (std::size_t at = 0; at < list.size();) {
    const std::size_t end = std::min(list.find(':', at), list.size());
    paths.push_back(list.substr(at, end - at));
    at = end + 1;
  }
  return paths;
}

class Module {
 public:
  Module() = default;
  explicit Module(const char* path) {
    std::string error;
    opened_ = open_module(path, error);
    if (opened_ == nullptr) throw std::runtime_error(error);
    work = symbol<embedded_work_function>("embedded_work");
    allocate = symbol<embedded_allocate_function>("embedded_allocate");
    free = symbol<embedded_free_function>("embedded_free");
    reservations = symbol<embedded_reservations_function>("embedded_reservations");
    watch = symbol<embedded_watch_function>("embedded_watch");
    symbol<embedded_farewell_function>("embedded_farewell")(&farewells_);
    base_ = base_of(opened_);
  }
  Module(Module&& other) noexcept = delete;
  Module& operator=(Module&&) = delete;

  // True: the module has left, and before it did, each of its destructors found its instance at work.
  bool unload() {
    farewells_ = 0;
    return close_module(std::exchange(opened_, nullptr)) && !maps(base_) && farewells_ == kFarewells;
  }

  bool loaded() const { return opened_ != nullptr; }

  embedded_work_function* work = nullptr;
  embedded_allocate_function* allocate = nullptr;
  embedded_free_function* free = nullptr;
  embedded_reservations_function* reservations = nullptr;
  embedded_watch_function* watch = nullptr;

 private:
  template <typename Function>
  Function* symbol(const char* name) {
    void* address = find_symbol(opened_, name);
    if (address == nullptr) throw std::runtime_error(std::string("no ") + name);
    return reinterpret_cast<Function*>(address);
  }

  void* opened_ = nullptr;
  const void* base_ = nullptr;
  int farewells_ = 0;
};

// `count` files with the contents of one, each in a name of its own, for the length of a test.
class Copies {
 public:
  Copies(const std::string& path, std::size_t count) {
    std::random_device random;
    do {
      folder_ = std::filesystem::temp_directory_path() / ("berth_modules_" + std::to_string(random()));
    } while (!std::filesystem::create_directory(folder_));
    for (std::size_t i = 0; i < count; ++i) {
      paths_.push_back((folder_ / ("copy_" + std::to_string(i) + kModuleSuffix)).string());
      std::filesystem::copy_file(path, paths_.back());
    }
  }
  Copies(const Copies&) = delete;
  Copies& operator=(const Copies&) = delete;
  ~Copies() {
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }

  std::size_t size() const { return paths_.size(); }
  const char* operator[](std::size_t i) const { return paths_[i].c_str(); }

 private:
  std::filesystem::path folder_;
  std::vector<std::string> paths_;
};

}  // namespace embedded
