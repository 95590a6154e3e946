// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Writes anywhere to a small block that it has freed: one byte in the middle, or the last one.
#include "claim.hpp"

using namespace claims;

namespace {

template <bool kElsewhere>
Answer write_one(Trial& trial) {
  Answer weakest = kAlways;
  for (const std::size_t size : {std::size_t{32}, std::size_t{100}, std::size_t{1024}, std::size_t{20000}}) {
    for (const std::size_t at : {size / 2, size - 1}) {
      Trial fresh(&trial);
      auto* const block = static_cast<Block>(berth_malloc(fresh.alpha(), size));
      void* const keep = berth_malloc(fresh.alpha(), size);
      const auto free_it = [&] { berth_free(fresh.alpha(), const_cast<unsigned char*>(block)); };
      kElsewhere ? elsewhere(free_it) : free_it();
      block[at] = 1;
      weakest = std::max(weakest, fresh.told(BERTH_MISUSE_CORRUPTION, size));
      berth_free(fresh.alpha(), keep);
    }
  }
  return weakest;
}

}  // namespace

int main(int argc, char** argv) { return run(argc, argv, write_one<false>, write_one<true>); }
