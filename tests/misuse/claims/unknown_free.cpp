// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Frees what no plugin has: a local variable, a constant, an address in nobody's hands.
#include "claim.hpp"

using namespace claims;

namespace {

Answer local(Trial& trial) {
  int here = 0;
  berth_free(trial.alpha(), &here);
  return trial.told(BERTH_MISUSE_UNKNOWN_FREE, 64);
}

Answer of_the_c_library(Trial& trial) {
  void* block = std::malloc(64);
  berth_free(trial.alpha(), block);
  return trial.told(BERTH_MISUSE_UNKNOWN_FREE, 64);
}

Answer wild(Trial& trial) {
  elsewhere([&] { berth_free(trial.alpha(), reinterpret_cast<void*>(0x4141414141414140)); });
  return trial.told(BERTH_MISUSE_UNKNOWN_FREE, 64);
}

}  // namespace

int main(int argc, char** argv) { return run(argc, argv, local, of_the_c_library, wild); }
