// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Reads and writes the middle of a block that it has freed.
#include "claim.hpp"

using namespace claims;

namespace {

// Whoever comes to the end was not stopped.
template <std::size_t kSize>
Answer read_freed(Trial& trial) {
  const Block block = make<kSize>(trial);
  berth_free(trial.alpha(), const_cast<unsigned char*>(block));
  static_cast<void>(block[kSize / 2]);
  return kNo;
}

template <std::size_t kSize>
Answer write_freed(Trial& trial) {
  const Block block = make<kSize>(trial);
  berth_free(trial.alpha(), const_cast<unsigned char*>(block));
  block[kSize - 1] = 1;
  return kNo;
}

}  // namespace

int main(int argc, char** argv) {
  return run_guard(argc, argv, read_freed<16>, read_freed<100>, read_freed<1024>, read_freed<20000>, read_freed<100000>,
                   write_freed<16>, write_freed<100>, write_freed<1024>, write_freed<20000>, write_freed<100000>);
}
