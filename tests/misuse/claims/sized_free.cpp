// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Gives a sized free another size, or another alignment, than the block's.
#include "claim.hpp"

using namespace claims;

namespace {

template <bool kElsewhere>
Answer wrong_size(Trial& trial) {
  Answer weakest = kAlways;
  for (const std::size_t size : {std::size_t{16}, std::size_t{100}, std::size_t{1024}, std::size_t{100000}}) {
    for (const std::size_t said : {size / 2, size * 2, std::size_t{5} << 20}) {
      Trial fresh(&trial);
      void* block = berth_malloc(fresh.alpha(), size);
      const auto err = [&] { berth_free_sized(fresh.alpha(), block, said); };
      kElsewhere ? elsewhere(err) : err();
      weakest = std::max(weakest, fresh.told(BERTH_MISUSE_SIZE_MISMATCH, size));
    }
  }
  return weakest;
}

Answer wrong_alignment(Trial& trial) {
  void* block = berth_aligned_alloc(trial.alpha(), 256, 100);
  berth_free_sized(trial.alpha(), block, 100);
  return trial.told(BERTH_MISUSE_SIZE_MISMATCH, 100);
}

}  // namespace

int main(int argc, char** argv) { return run(argc, argv, wrong_size<false>, wrong_size<true>, wrong_alignment); }
