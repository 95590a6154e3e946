// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Case F: what it costs to go from heap to heap. A pair of 64 bytes in each of 64 heaps in turn, against the same in
// one heap; and the random mix with its blocks spread over the 64.
#include <array>

#include "measure.hpp"
#include "random_blocks.hpp"

namespace bench {
namespace {

constexpr std::size_t kHeaps = 64;
constexpr std::size_t kSize = 64;

struct Opened {
  Heap heap;
  Access access;
};

// The same loop for one heap and for many, so that only the heaps differ.
double pair(std::array<Opened, kHeaps>& all, std::size_t heaps, std::size_t count) {
  const auto pairs = [&](std::size_t times) {
    std::size_t at = 0;
    for (std::size_t i = 0; i < times; ++i) {
      Access& access = all[at].access;
      void* const block = access.allocate(kSize);
      keep(block);
      access.release(block);
      at = at + 1 == heaps ? 0 : at + 1;
    }
  };
  pairs(count / 10 + heaps);
  return processor_nanoseconds([&] { pairs(count); }) / static_cast<double>(count);
}

double random_mix(std::array<Opened, kHeaps>& all, std::size_t count) {
  const auto access_of = [&](std::size_t slot) -> Access& { return all[slot % kHeaps].access; };
  RandomBlocks blocks(1, access_of);
  blocks.replace(count / 5 + 1, access_of);
  const double time = processor_nanoseconds([&] { blocks.replace(count, access_of); });
  blocks.release_all(access_of);
  return time / static_cast<double>(count);
}

}  // namespace

void run_case_f(const Settings& settings) {
  if (!kPeerHasHeaps) {
    for (const char* row : {"F/1", "F/64", "F/switch", "F/random"}) report_none(row, "no heaps");
    return;
  }
  static std::array<Opened, kHeaps> all;
  for (Opened& one : all) require(one.heap.create(settings.heap) && one.access.open(one.heap), "cannot create a heap");
  const std::size_t count = settings.times(5'000'000);
  const double single = pair(all, 1, count);
  const double many = pair(all, kHeaps, count);
  report("F/1", single);
  report("F/64", many);
  report("F/switch", many > single ? many - single : 0);
  report("F/random", random_mix(all, count));
  for (Opened& one : all) {
    one.access.close();
    one.heap.destroy();
  }
}

}  // namespace bench
