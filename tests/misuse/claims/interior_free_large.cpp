// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Frees addresses in the middle of large blocks.
#include "claim.hpp"

using namespace claims;

namespace {

template <bool kElsewhere>
Answer inside(Trial& trial) {
  Answer weakest = kAlways;
  for (const std::size_t size : kLargeSizes) {
    for (const std::size_t offset : {std::size_t{1}, std::size_t{4}, std::size_t{16}, size / 2, size - 1}) {
      if (offset >= size) continue;
      Trial fresh(&trial);
      auto* block = static_cast<char*>(berth_malloc(fresh.alpha(), size));
      const auto err = [&] { berth_free(fresh.alpha(), block + offset); };
      kElsewhere ? elsewhere(err) : err();
      weakest = std::max(weakest, fresh.told(BERTH_MISUSE_INTERIOR_FREE, size));
    }
  }
  return weakest;
}

}  // namespace

int main(int argc, char** argv) { return run(argc, argv, inside<false>, inside<true>); }
