// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Draws: when the next sample is due, and what it stands for. The distances between samples, in bytes, are drawn from
// an exponential distribution: it has no memory, so neither a rhythm of the plugin's nor the moment at which sampling
// begins, ends or changes decides who is met. An allocation of s bytes is met with probability 1 - exp(-s / mean), and
// stands for as many of its kind as the reciprocal says: so sums over samples have no bias, whatever the sizes.
#pragma once

#include <cstddef>
#include <cstdint>

namespace berth::core::draws {

// A distance, at least 1, out of 64 random bits. Mean 0 or 1: always 1, so that each allocation is a sample.
std::int64_t distance(std::size_t mean_bytes, std::uint64_t random) noexcept;

// How likely a block of so many bytes is a sample; 1 where each is.
double probability(std::size_t mean_bytes, std::size_t bytes) noexcept;

// What one sample stands for: so many bytes, and blocks in units of 2^-16.
inline constexpr unsigned kBlockShift = 16;
struct Weight {
  std::uint64_t bytes = 0;
  std::uint64_t blocks = 0;
};
Weight weight(std::size_t mean_bytes, std::size_t bytes) noexcept;

}  // namespace berth::core::draws
