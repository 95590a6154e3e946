// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Writes the byte before a block, and 4,096 bytes before it, and frees it.
#include "claim.hpp"

using namespace claims;

namespace {

// Whoever comes to the end was not stopped.
template <std::size_t kSize>
Answer write_just_before(Trial& trial) {
  const Block block = make<kSize>(trial);
  block[-1] = 1;
  berth_free(trial.alpha(), const_cast<unsigned char*>(block));
  return trial.told(BERTH_MISUSE_CORRUPTION, kSize) == kAlways ? kSampled : kNo;
}

template <std::size_t kSize>
Answer write_far_before(Trial& trial) {
  const Block block = make<kSize>(trial);
  block[-4096] = 1;
  return kNo;
}

}  // namespace

int main(int argc, char** argv) {
  return run_guard(argc, argv, write_just_before<16>, write_just_before<100>, write_just_before<1024>,
                   write_just_before<20000>, write_just_before<100000>, write_far_before<16>, write_far_before<100>,
                   write_far_before<1024>, write_far_before<20000>, write_far_before<100000>);
}
