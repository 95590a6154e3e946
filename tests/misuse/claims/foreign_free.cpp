// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Frees another plugin's block.
#include "claim.hpp"

using namespace claims;

namespace {

Answer free_size(Trial& trial, std::size_t size, bool by_another_thread) {
  void* block = berth_malloc(trial.alpha(), size);
  const auto err = [&] { berth_free(trial.beta(), block); };
  by_another_thread ? elsewhere(err) : err();
  return trial.told(BERTH_MISUSE_FOREIGN_FREE, size);
}

template <bool kElsewhere>
Answer every_size(Trial& trial) {
  for (const std::size_t size : kSmallSizes) {
    if (free_size(trial, size, kElsewhere) != kAlways) return kNo;
  }
  return free_size(trial, kLargeSizes[0], kElsewhere);
}

}  // namespace

int main(int argc, char** argv) { return run(argc, argv, every_size<false>, every_size<true>); }
