// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// The seed of a random test: printed, and taken back from the environment variable BERTH_SEED.
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <random>

namespace berth::tests {

inline std::uint64_t seed() {
  const char* given = std::getenv("BERTH_SEED");
  const std::uint64_t value = given != nullptr ? std::strtoull(given, nullptr, 10) : std::random_device{}();
  std::printf("seed: BERTH_SEED=%llu\n", static_cast<unsigned long long>(value));
  return value;
}

}  // namespace berth::tests
