// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Secrets: numbers that a plugin cannot guess. Drawn from one seed of the process and the id of the instance; they lie
// in the instance's books, never in its blocks.
#pragma once

#include <cstdint>

namespace berth::core::secrets {

// splitmix64 (Steele, Lea, Flood 2014): spreads a counter over all bits.
inline std::uint64_t mix(std::uint64_t value) noexcept {
  value += 0x9e3779b97f4a7c15;
  value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9;
  value = (value ^ (value >> 27)) * 0x94d049bb133111eb;
  return value ^ (value >> 31);
}

// The secret of this number of the instance with this id; never 0.
std::uint64_t of(std::uint64_t id, unsigned number) noexcept;

}  // namespace berth::core::secrets
