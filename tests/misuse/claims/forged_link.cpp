// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Reads the link of a block that it has freed, works out another one from it, and so has a block that lives handed out.
#include "claim.hpp"

using namespace claims;

namespace {

constexpr std::size_t kSize = 64;

struct Words {
  std::uintptr_t link, seal;
};

Words read(const void* block) {
  Words words{};
  std::memcpy(&words, block, sizeof(words));
  return words;
}

// From the words of the two blocks that were freed last.
Answer forge(Trial& trial, int attempt) {
  std::vector<void*> blocks;
  for (int i = 0; i < 100; ++i) blocks.push_back(berth_malloc(trial.alpha(), kSize));
  void* const victim = blocks[50];
  std::memset(victim, 0, kSize);
  void* const first = blocks[10];
  void* const second = blocks[11];
  berth_free(trial.alpha(), first);
  berth_free(trial.alpha(), second);
  const auto target = reinterpret_cast<std::uintptr_t>(victim);
  const auto first_at = reinterpret_cast<std::uintptr_t>(first);
  const auto second_at = reinterpret_cast<std::uintptr_t>(second);
  const Words last = read(first);
  const Words head = read(second);
  Words forged = last;
  if (attempt == 0) forged = {last.link ^ target, last.seal + ((last.link ^ target) - last.link)};
  if (attempt == 1) forged = {head.link ^ first_at ^ target, head.seal + ((head.link ^ first_at ^ target) - head.link)};
  if (attempt == 2) forged = {last.link ^ target, last.seal ^ target};
  if (attempt == 3) forged = {last.link, last.seal + second_at - first_at};
  std::memcpy(second, &forged, sizeof(forged));
  bool handed_out = false;
  for (int i = 0; i < 1000; ++i) handed_out |= berth_malloc(trial.alpha(), kSize) == victim;
  return handed_out ? kNo : trial.told(BERTH_MISUSE_CORRUPTION, kSize);
}

// The words of an earlier time, put back into the same block: they name one that lives by then.
Answer replay(Trial& trial) {
  void* const keep = berth_malloc(trial.alpha(), kSize);
  void* const victim = berth_malloc(trial.alpha(), kSize);
  void* const block = berth_malloc(trial.alpha(), kSize);
  berth_free(trial.alpha(), victim);
  berth_free(trial.alpha(), block);
  const Words earlier = read(block);
  const Words of_victim = read(victim);
  std::vector<void*> taken;
  bool has_both = false;
  for (int i = 0; i < 3000 && !has_both; ++i) {
    taken.push_back(berth_malloc(trial.alpha(), kSize));
    has_both = std::count(taken.begin(), taken.end(), victim) + std::count(taken.begin(), taken.end(), block) == 2;
  }
  if (!has_both) return kNextUse;                      // it waits: there is no such time
  std::memcpy(victim, &of_victim, sizeof(of_victim));  // whose own words are sound as well
  berth_free(trial.alpha(), block);
  std::memcpy(block, &earlier, sizeof(earlier));
  for (int i = 0; i < 1000; ++i) {
    if (berth_malloc(trial.alpha(), kSize) == victim) return kNo;
  }
  static_cast<void>(keep);
  return trial.told(BERTH_MISUSE_CORRUPTION, kSize);
}

template <int kAttempt>
Answer forged(Trial& trial) {
  return std::max(kNextUse, forge(trial, kAttempt));
}

}  // namespace

int main(int argc, char** argv) {
  return run(argc, argv, forged<0>, forged<1>, forged<2>, forged<3>,
             [](Trial& trial) { return std::max(kNextUse, replay(trial)); });
}
