// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Frees all that it takes: static objects, strings that grow inside libstdc++, aligned blocks, an exception.
#include <cstdlib>
#include <new>
#include <string>
#include <vector>

namespace {
std::vector<std::string> words(20, std::string(100, 'x'));
struct alignas(64) Line {
  char bytes[64];
};
}  // namespace

extern "C" __attribute__((visibility("default"))) void work() {
  std::string grown;
  for (int number = 0; number < 1000; ++number) grown += std::to_string(number);
  delete new Line;
  try {
    throw grown;
  } catch (const std::string& caught) {
    words.push_back(caught);
  }
  void* aligned = nullptr;
  if (posix_memalign(&aligned, 4096, 100) != 0 || reinterpret_cast<std::size_t>(aligned) % 4096 != 0) std::abort();
  std::free(aligned);
}
