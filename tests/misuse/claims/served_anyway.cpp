// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Writes to the links of blocks that it has freed, and allocates until that is told: no allocation may fail for it.
#include "claim.hpp"

using namespace claims;

namespace {

template <bool kElsewhere>
Answer go_on(Trial& trial) {
  Answer weakest = kAlways;
  for (const std::size_t size : {std::size_t{16}, std::size_t{100}, std::size_t{1024}}) {
    Trial fresh(&trial);
    std::vector<void*> blocks;
    for (int i = 0; i < 300; ++i) blocks.push_back(berth_malloc(fresh.alpha(), size));
    const auto free_all = [&] {
      for (void* block : blocks) berth_free(fresh.alpha(), block);
    };
    kElsewhere ? elsewhere(free_all) : free_all();
    for (std::size_t i = 0; i < blocks.size(); i += 10) static_cast<unsigned char*>(blocks[i])[0] ^= 0x55;
    for (int i = 0; i < 2000; ++i) {
      void* const block = berth_malloc(fresh.alpha(), size);
      if (block == nullptr) return kNo;
      if (i % 2 == 0) berth_free(fresh.alpha(), block);
    }
    weakest = std::max(weakest, std::max(kNextUse, fresh.told(BERTH_MISUSE_CORRUPTION, size)));
  }
  return weakest;
}

}  // namespace

int main(int argc, char** argv) { return run(argc, argv, go_on<false>, go_on<true>); }
