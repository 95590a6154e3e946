// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Reads and writes the first byte behind the usable bytes of a block, and writes behind those that were asked for.
#include "claim.hpp"

using namespace claims;

namespace {

// Whoever comes to the end was not stopped; perhaps the allocator finds out later.
template <std::size_t kSize>
Answer read_behind(Trial& trial) {
  const Block block = make<kSize>(trial);
  static_cast<void>(block[berth_usable_size(trial.alpha(), const_cast<unsigned char*>(block))]);
  return trial.told(BERTH_MISUSE_CORRUPTION, kSize);
}

template <std::size_t kSize>
Answer write_behind(Trial& trial) {
  const Block block = make<kSize>(trial);
  block[berth_usable_size(trial.alpha(), const_cast<unsigned char*>(block))] = 1;
  return trial.told(BERTH_MISUSE_CORRUPTION, kSize);
}

template <std::size_t kSize>
Answer write_into_slack(Trial& trial) {
  const Block block = make<kSize>(trial);
  block[kSize] = 1;
  berth_free(trial.alpha(), const_cast<unsigned char*>(block));
  return trial.told(BERTH_MISUSE_CORRUPTION, kSize) == kAlways ? kSampled : kNo;
}

}  // namespace

int main(int argc, char** argv) {
  return run_guard(argc, argv, read_behind<16>, read_behind<100>, read_behind<1024>, read_behind<20000>,
                   read_behind<100000>, write_behind<16>, write_behind<100>, write_behind<1024>, write_behind<20000>,
                   write_behind<100000>, write_into_slack<1>, write_into_slack<100>, write_into_slack<20000>,
                   write_into_slack<100000>);
}
