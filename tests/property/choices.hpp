// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// What a round decides by: numbers from a seed, or the bytes of a fuzzer's input.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <random>
#include <span>

namespace property {

class Choices {
 public:
  virtual ~Choices() = default;

  // Whether a round of so many operations has come to its end.
  virtual bool over(std::size_t operations) const = 0;
  // From 0 to bound - 1; 0 if bound is 0.
  virtual std::uint64_t below(std::uint64_t bound) = 0;
  // An index of the weights.
  virtual std::size_t pick(std::initializer_list<unsigned> weights) = 0;
  // 64 bits that decide nothing.
  virtual std::uint64_t noise() = 0;

  // The last of n and not the first, so that an input that is used up means the usual.
  bool one_in(std::uint64_t n) { return below(n) + 1 == n; }
};

class SeedChoices final : public Choices {
 public:
  explicit SeedChoices(std::uint64_t seed);
  bool over(std::size_t operations) const override { return operations >= length_; }
  std::uint64_t below(std::uint64_t bound) override { return bound == 0 ? 0 : random_() % bound; }
  std::size_t pick(std::initializer_list<unsigned> weights) override;
  std::uint64_t noise() override { return random_(); }

 private:
  std::mt19937_64 random_;
  std::size_t length_ = 0;
};

// As few bytes as a choice needs, and 0 when all are used up. pick() counts only the digits of a weight: a fuzzer is to
// find the rare operations too.
class ByteChoices final : public Choices {
 public:
  explicit ByteChoices(std::span<const unsigned char> bytes) : bytes_(bytes) {}
  bool over(std::size_t) const override { return bytes_.empty(); }
  std::uint64_t below(std::uint64_t bound) override;
  std::size_t pick(std::initializer_list<unsigned> weights) override;
  std::uint64_t noise() override { return ++noise_ * 0x9E3779B97F4A7C15u; }

 private:
  std::span<const unsigned char> bytes_;
  std::uint64_t noise_ = 0;
};

}  // namespace property
