// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Scribbles over 4 KiB before and behind each of its own blocks, then goes on. Another plugin's data must be as it was,
// and the host must not crash: whatever Berth meets is told with the plugin's name.
#include "support/scribble.hpp"

#include "claim.hpp"

using namespace claims;
using berth::tests::scribble;

namespace {

constexpr std::size_t kReach = 4096;
constexpr std::size_t kSizes[] = {16, 64, 500, 3000, 20000, 200000};

template <bool kFreeSome>
Answer around_each(Trial& trial) {
  std::vector<unsigned char*> others;
  for (int i = 0; i < 500; ++i) {
    others.push_back(static_cast<unsigned char*>(berth_malloc(trial.beta(), 200)));
    std::memset(others.back(), i & 0xff, 200);
  }
  std::vector<char*> blocks;
  for (std::size_t i = 0; i < 300; ++i) {
    blocks.push_back(static_cast<char*>(berth_malloc(trial.alpha(), kSizes[i % 6])));
  }
  const auto is_free = [](std::size_t i) { return kFreeSome && i % 7 == 0; };
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    if (is_free(i)) berth_free(trial.alpha(), blocks[i]);
  }
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    if (is_free(i)) continue;
    scribble(blocks[i] - kReach, kReach);
    scribble(blocks[i] + kSizes[i % 6], kReach);
  }
  for (int round = 0; round < 20; ++round) {
    for (const std::size_t size : kSizes) berth_free(trial.alpha(), berth_malloc(trial.alpha(), size));
  }
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    if (!is_free(i)) berth_free(trial.alpha(), blocks[i]);
  }
  for (std::size_t i = 0; i < others.size(); ++i) {
    for (int byte = 0; byte < 200; ++byte) {
      if (others[i][byte] != (i & 0xff)) return kNo;
    }
    berth_free(trial.beta(), others[i]);
  }
  return trial.all_named() && (!kFreeSome || !trial.silent()) ? kAlways : kNo;
}

}  // namespace

int main(int argc, char** argv) { return run(argc, argv, around_each<false>, around_each<true>); }
