// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <string>

#include "nameless_bytes.hpp"

namespace berth::tests::faults {

std::size_t nameless_bytes() {
  std::ifstream maps("/proc/self/maps");
  std::size_t bytes = 0;
  for (std::string line; std::getline(maps, line);) {
    if (line.find_first_of("/[") != std::string::npos) continue;
    char* rest = nullptr;
    const std::uint64_t begin = std::strtoull(line.c_str(), &rest, 16);
    bytes += static_cast<std::size_t>(std::strtoull(rest + 1, nullptr, 16) - begin);
  }
  return bytes;
}

}  // namespace berth::tests::faults
