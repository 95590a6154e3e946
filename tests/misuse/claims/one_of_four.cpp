// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Four allocations take turns, and one of them is written behind: whichever it is, it must be met.
#include "claim.hpp"

using namespace claims;

namespace {

template <int kBad>
Answer write_behind_one(Trial& trial) {
  Trial fresh(&trial, 64);
  for (int turn = 0; turn < 40000; ++turn) {
    auto* const block = static_cast<unsigned char*>(berth_malloc(fresh.alpha(), 100));
    if (turn % 4 == kBad) block[100] = 1;
    berth_free(fresh.alpha(), block);
    if (!fresh.silent()) return kSampled;
  }
  return kNo;
}

}  // namespace

int main(int argc, char** argv) {
  return run_guard(argc, argv, write_behind_one<0>, write_behind_one<1>, write_behind_one<2>, write_behind_one<3>);
}
