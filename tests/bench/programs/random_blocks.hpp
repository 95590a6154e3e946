// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// The random mix of cases D, E and F: 10,000 live blocks of 16 to 1,024 bytes, of which a random one is freed and
// another of a random size allocated in its place.
#pragma once

#include <vector>

#include "measure.hpp"

namespace bench {

class RandomBlocks {
 public:
  // access_of(slot) is through what the slot's block is allocated and freed.
  template <typename AccessOf>
  RandomBlocks(std::uint64_t seed, AccessOf access_of) : random_(seed), blocks_(kLive) {
    for (std::size_t slot = 0; slot < kLive; ++slot) {
      blocks_[slot] = access_of(slot).allocate(size_at(Pick(random_.next(), kLive, kSizes)));
      require(blocks_[slot] != nullptr, "no memory for the random blocks");
    }
  }

  template <typename AccessOf>
  void replace(std::size_t count, AccessOf access_of) {
    void** const blocks = blocks_.data();
    Random random = random_;
    for (std::size_t i = 0; i < count; ++i) {
      const Pick pick(random.next(), kLive, kSizes);
      auto& access = access_of(pick.first);
      access.release(blocks[pick.first]);
      blocks[pick.first] = access.allocate(size_at(pick));
    }
    random_ = random;
  }

  template <typename AccessOf>
  void release_all(AccessOf access_of) {
    for (std::size_t slot = 0; slot < kLive; ++slot) access_of(slot).release(blocks_[slot]);
  }

 private:
  static constexpr std::uint32_t kLive = 10000;
  static constexpr std::uint32_t kSmallest = 16;
  static constexpr std::uint32_t kSizes = 1024 - kSmallest + 1;
  static std::size_t size_at(const Pick& pick) { return kSmallest + pick.second; }

  Random random_;
  std::vector<void*> blocks_;
};

}  // namespace bench
