// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Writes to the first 16 bytes of a freed block, where its link lies.
#include "claim.hpp"

using namespace claims;

namespace {

template <bool kElsewhere, std::size_t kVictim>
Answer overwrite(Trial& trial) {
  Answer weakest = kAlways;
  for (const std::size_t size : {std::size_t{16}, std::size_t{100}, std::size_t{1024}}) {
    for (const std::size_t length : {std::size_t{1}, std::size_t{8}, std::size_t{16}}) {
      Trial fresh(&trial);
      std::vector<void*> blocks;
      for (int i = 0; i < 20; ++i) blocks.push_back(berth_malloc(fresh.alpha(), size));
      const auto free_some = [&] {
        for (const std::size_t i : {5u, 6u, 7u}) berth_free(fresh.alpha(), blocks[i]);
      };
      kElsewhere ? elsewhere(free_some) : free_some();
      auto* victim = static_cast<unsigned char*>(blocks[kVictim]);
      for (std::size_t i = 0; i < length; ++i) victim[i] = static_cast<unsigned char>(~victim[i]);
      weakest = std::max(weakest, fresh.told(BERTH_MISUSE_CORRUPTION, size));
    }
  }
  return weakest;
}

}  // namespace

int main(int argc, char** argv) {
  return run(argc, argv, overwrite<false, 5>, overwrite<false, 6>, overwrite<false, 7>, overwrite<true, 5>,
             overwrite<true, 6>, overwrite<true, 7>);
}
