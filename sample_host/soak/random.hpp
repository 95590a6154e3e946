// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Decisions that a seed repeats: SplitMix64, whose state is one number, so that every task can have a stream of its
// own.
#pragma once

#include <cstdint>

namespace sample_host {

class Random {
 public:
  Random(std::uint64_t seed, std::uint64_t stream) : state_(seed + stream * 0xD1B54A32D192ED03u) {}

  std::uint64_t next() {
    std::uint64_t z = state_ += 0x9E3779B97F4A7C15u;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
  }
  // 0 ... bound - 1; the bound is not 0.
  std::uint64_t below(std::uint64_t bound) { return next() % bound; }
  bool one_in(std::uint64_t chances) { return below(chances) == 0; }
  template <typename List>
  auto& of(List& list) {
    return list[below(list.size())];
  }

 private:
  std::uint64_t state_;
};

}  // namespace sample_host
