// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Runs inputs of the fuzzer again, without the fuzzer:
//
//   fuzz_replay [--times N] <file or folder>...
//
// A folder is the kept corpus: its inputs are to reach every kind of misuse that a round makes. An instance's place for
// its blocks depends on how many were made before it; 64 times over, an input has met all of them.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "input.hpp"

namespace {

std::vector<std::filesystem::path> files_of(const std::filesystem::path& path) {
  if (!std::filesystem::is_directory(path)) return {path};
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(path)) files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  return files;
}

// What crashes has been named last.
bool run_file(const std::filesystem::path& path, unsigned long times, fuzz::Outcome& sums) {
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    std::fprintf(stderr, "%s cannot be read\n", path.string().c_str());
    return false;
  }
  const std::string bytes((std::istreambuf_iterator<char>(file)), {});
  std::printf("%s\n", path.string().c_str());
  std::fflush(stdout);
  for (unsigned long i = 0; i < times; ++i) {
    const fuzz::Outcome outcome = fuzz::run_input({reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size()});
    sums.operations += outcome.operations;
    for (std::size_t kind = 0; kind < sums.misuses.size(); ++kind) sums.misuses[kind] += outcome.misuses[kind];
  }
  return true;
}

bool reaches_everything(const property::Round::Misuses& misuses) {
  bool all = true;
  for (const std::size_t kind : {BERTH_MISUSE_DOUBLE_FREE, BERTH_MISUSE_FOREIGN_FREE, BERTH_MISUSE_UNKNOWN_FREE,
                                 BERTH_MISUSE_INTERIOR_FREE, BERTH_MISUSE_SIZE_MISMATCH, BERTH_MISUSE_CORRUPTION}) {
    std::printf("misuse of kind %zu: %zu\n", kind, misuses[kind]);
    all = all && misuses[kind] != 0;
  }
  return all;
}

}  // namespace

int main(int argc, char** argv) {
  unsigned long times = 1;
  bool corpus = false;
  std::vector<std::filesystem::path> files;
  for (int i = 1; i < argc; ++i) {
    if (std::string(argv[i]) == "--times" && i + 1 < argc) {
      times = std::strtoul(argv[++i], nullptr, 10);
      continue;
    }
    corpus = corpus || std::filesystem::is_directory(argv[i]);
    for (const auto& file : files_of(argv[i])) files.push_back(file);
  }
  if (files.empty() || times == 0) {
    std::fprintf(stderr, "usage: %s [--times N] <file or folder>...\n", argv[0]);
    return 2;
  }
  fuzz::Outcome sums;
  for (const auto& file : files) {
    if (!run_file(file, times, sums)) return 1;
  }
  std::printf("%zu inputs, %zu operations\n", files.size(), sums.operations);
  return corpus && !reaches_everything(sums.misuses) ? 1 : 0;
}
