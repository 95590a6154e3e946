// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Resizes and measures a small block that was freed.
#include "claim.hpp"

using namespace claims;

namespace {

// Who allocates, who frees, who frees again: this thread, or one that ends.
template <bool kAllocate, bool kFree, bool kAgain>
Answer twice(Trial& trial) {
  const auto act = [](bool by_another, auto step) { by_another ? elsewhere(step) : step(); };
  Answer weakest = kAlways;
  for (const std::size_t size : kSmallSizes) {
    Trial fresh(&trial);
    void* block = nullptr;
    act(kAllocate, [&] { block = berth_malloc(fresh.alpha(), size); });
    act(kFree, [&] { berth_free(fresh.alpha(), block); });
    act(kAgain, [&] {
      berth_realloc(fresh.alpha(), block, size);  // in place: nothing is freed that would tell
      berth_usable_size(fresh.alpha(), block);
    });
    weakest = std::max(weakest, fresh.told(BERTH_MISUSE_DOUBLE_FREE, size));
  }
  return weakest;
}

}  // namespace

int main(int argc, char** argv) {
  return run(argc, argv, twice<false, false, false>, twice<false, false, true>, twice<false, true, false>,
             twice<false, true, true>, twice<true, false, false>, twice<true, true, false>, twice<true, true, true>);
}
