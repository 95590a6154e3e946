// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
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
    const auto fail = [&](const std::string& why) {
      failure = path;
      failure.append(":").append(std::to_string(number)).append(": ").append(why);
      return false;
    };
    if (line.find('\0') != std::string::npos) return fail("a NUL character");
    std::istringstream words(line.substr(0, line.find('#')));
    KnownLeak leak;
    std::string more;
    words >> leak.plugin >> leak.function >> more;
    if (leak.plugin.empty()) continue;
    if (!more.empty()) return fail("more than PLUGIN [FUNCTION]: " + more);
    bytes += leak.plugin.size() + leak.function.size();
    if (bytes > kMostBytes) {
      failure = path + ": more than 64 KiB of patterns";
      return false;
    }
    out.push_back(std::move(leak));
  }
  return true;
}

}  // namespace berth::tool
