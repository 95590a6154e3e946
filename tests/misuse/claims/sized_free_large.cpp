// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Gives a sized free of a large block a size that takes as many pages as the block's.
#include "claim.hpp"

using namespace claims;

namespace {

template <bool kElsewhere>
Answer wrong_by_bytes(Trial& trial) {
  Answer weakest = kAlways;
  for (const std::size_t size : {std::size_t{100000}, std::size_t{(3 << 20) + 1}, std::size_t{40961}}) {
    for (const std::size_t said : {size + 1, size + 1000}) {
      Trial fresh(&trial);
      void* block = berth_malloc(fresh.alpha(), size);
      const auto err = [&] { berth_free_sized(fresh.alpha(), block, said); };
      kElsewhere ? elsewhere(err) : err();
      weakest = std::max(weakest, fresh.told(BERTH_MISUSE_SIZE_MISMATCH, size));
    }
  }
  return weakest;
}

Answer after_resize(Trial& trial) {
  void* block = berth_malloc(trial.alpha(), 100000);
  block = berth_realloc(trial.alpha(), block, 99000);
  berth_free_sized(trial.alpha(), block, 100000);
  return trial.told(BERTH_MISUSE_SIZE_MISMATCH, 100000);
}

}  // namespace

int main(int argc, char** argv) { return run(argc, argv, wrong_by_bytes<false>, wrong_by_bytes<true>, after_resize); }
