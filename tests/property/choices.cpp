// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
#include "choices.hpp"

#include <bit>
#include <functional>
#include <numeric>

namespace property {

namespace {

// The index that the dice mean, which are below the sum of all weights.
template <typename Weigh>
std::size_t index_of(std::uint64_t dice, std::initializer_list<unsigned> weights, Weigh weigh) {
  std::size_t index = 0;
  for (const unsigned weight : weights) {
    if (dice < weigh(weight)) break;
    dice -= weigh(weight);
    ++index;
  }
  return index;
}

template <typename Weigh>
std::uint64_t sum(std::initializer_list<unsigned> weights, Weigh weigh) {
  return std::transform_reduce(weights.begin(), weights.end(), std::uint64_t{0}, std::plus<>(), weigh);
}

}  // namespace

SeedChoices::SeedChoices(std::uint64_t seed) : random_(seed) { length_ = 500 + below(one_in(4) ? 40000 : 8000); }

std::size_t SeedChoices::pick(std::initializer_list<unsigned> weights) {
  const auto weigh = [](unsigned weight) { return std::uint64_t{weight}; };
  return index_of(below(sum(weights, weigh)), weights, weigh);
}

std::size_t ByteChoices::pick(std::initializer_list<unsigned> weights) {
  const auto weigh = [](unsigned weight) { return static_cast<std::uint64_t>(std::bit_width(weight)); };
  return index_of(below(sum(weights, weigh)), weights, weigh);
}

std::uint64_t ByteChoices::below(std::uint64_t bound) {
  std::uint64_t value = 0;
  for (std::uint64_t most = bound == 0 ? 0 : bound - 1; most != 0 && !bytes_.empty(); most >>= 8) {
    value = value << 8 | bytes_.front();
    bytes_ = bytes_.subspan(1);
  }
  return bound == 0 ? 0 : value % bound;
}

}  // namespace property
