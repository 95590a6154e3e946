// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Gives a sized free of a small block another size of the same class.
#include "claim.hpp"

using namespace claims;

namespace {

template <std::size_t kAlignment, std::size_t kSize, std::size_t kSaid>
Answer wrong_by_bytes(Trial& trial) {
  berth_allocator* const plugin = trial.alpha();
  void* block = kAlignment == 0 ? berth_malloc(plugin, kSize) : berth_aligned_alloc(plugin, kAlignment, kSize);
  berth_free_aligned_sized(plugin, block, kAlignment, kSaid);
  return trial.told(BERTH_MISUSE_SIZE_MISMATCH, kSize) == kAlways ? kSampled : kNo;
}

}  // namespace

int main(int argc, char** argv) {
  return run_guard(argc, argv, wrong_by_bytes<0, 100, 97>, wrong_by_bytes<0, 100, 101>, wrong_by_bytes<0, 2, 1>,
                   wrong_by_bytes<0, 20000, 19999>, wrong_by_bytes<64, 24, 10>, wrong_by_bytes<64, 24, 25>);
}
