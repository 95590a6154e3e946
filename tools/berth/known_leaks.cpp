// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
#include "tools/berth/known_leaks.hpp"

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace berth::tool {

namespace {

// They travel in one variable of the environment, whose length the system bounds.
constexpr std::size_t kMostBytes = 65536;

}  // namespace

bool read_known_leaks(const std::string& path, std::vector<KnownLeak>& out, std::string& failure) {
  std::error_code none;
  std::ifstream file(path);
  if (!file || std::filesystem::is_directory(path, none)) {
    failure = path + ": " + (errno != 0 ? std::strerror(errno) : "it cannot be read");
    return false;
  }
  std::size_t bytes = 0;
  std::size_t number = 0;
  for (std::string line; std::getline(file, line);) {
    ++number;
    if (line.find('\0') != std::string::npos) {
      failure = path + ":" + std::to_string(number) + ": a NUL character";
      return false;
    }
    std::istringstream words(line.substr(0, line.find('#')));
    KnownLeak leak;
    std::string more;
    words >> leak.plugin >> leak.function >> more;
    if (leak.plugin.empty()) continue;
    if (!more.empty()) {
      failure = path + ":" + std::to_string(number) + ": more than PLUGIN [FUNCTION]: " + more;
      return false;
    }
    bytes += leak.plugin.size();
    if (bytes > kMostBytes) {
      failure = path + ": more than 64 KiB of patterns";
      return false;
    }
    out.push_back(std::move(leak));
  }
  return true;
}

}  // namespace berth::tool
