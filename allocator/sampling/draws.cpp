// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// The two functions of analysis are written out: a program in C that embeds the library need not link the C library's
// mathematics for them.
#include "allocator/sampling/draws.hpp"

#include <bit>

namespace berth::core::draws {

namespace {

constexpr double kLn2 = 0.693147180559945309417;
constexpr double kSqrtHalf = 0.707106781186547524401;
constexpr int kExponentBias = 1023;

// Of a positive, normal number. ln x = 2 artanh((x - 1) / (x + 1)) for a mantissa near 1: |z| < 0.172, so that what is
// left out is below 1e-13.
double natural_log(double x) noexcept {
  const std::uint64_t bits = std::bit_cast<std::uint64_t>(x);
  int exponent = static_cast<int>(bits >> 52) - kExponentBias + 1;
  double mantissa = std::bit_cast<double>((bits & ((std::uint64_t{1} << 52) - 1)) |
                                          (std::uint64_t{kExponentBias - 1} << 52));  // 0.5 to 1
  if (mantissa < kSqrtHalf) {
    mantissa *= 2;
    --exponent;
  }
  const double z = (mantissa - 1) / (mantissa + 1);
  double sum = 0;
  for (int power = 15; power >= 1; power -= 2) sum = sum * z * z + 1.0 / power;
  return exponent * kLn2 + 2 * z * sum;
}

// 1 - exp(-x) for 0 < x. A small x is not taken from 1, where its digits would be lost.
double one_less_exp(double x) noexcept {
  if (x > 40) return 1;  // below the last digit
  // exp(-x) = exp(-x / 64)^64, and of 1 - exp(-y): doubling y takes u to u (2 - u).
  const double y = x / 64;
  double term = y;
  double sum = y;
  for (int power = 2; power <= 14; ++power) {
    term *= -y / power;
    sum += term;
  }
  for (int doubling = 0; doubling < 6; ++doubling) sum *= 2 - sum;
  return sum;
}

}  // namespace

std::int64_t distance(std::size_t mean_bytes, std::uint64_t random) noexcept {
  if (mean_bytes <= 1) return 1;
  constexpr double kUnit = 1.0 / (std::uint64_t{1} << 53);
  const double uniform = (static_cast<double>(random >> 11) + 1) * kUnit;  // over 0, up to 1
  const double drawn = -natural_log(uniform) * static_cast<double>(mean_bytes);
  constexpr double kFarthest = 9e18;
  return drawn < kFarthest ? static_cast<std::int64_t>(drawn) + 1 : static_cast<std::int64_t>(kFarthest);
}

double probability(std::size_t mean_bytes, std::size_t bytes) noexcept {
  if (mean_bytes <= 1) return 1;
  return one_less_exp(static_cast<double>(bytes) / static_cast<double>(mean_bytes));
}

// To the nearest; without the C library's mathematics.
std::uint64_t rounded(double value) noexcept {
  const auto whole = static_cast<std::uint64_t>(value);
  return value - static_cast<double>(whole) < 0.5 ? whole : whole + 1;
}

Weight weight(std::size_t mean_bytes, std::size_t bytes) noexcept {
  const double count = 1 / probability(mean_bytes, bytes);
  return {rounded(count * static_cast<double>(bytes)), rounded(count * (std::uint64_t{1} << kBlockShift))};
}

}  // namespace berth::core::draws
