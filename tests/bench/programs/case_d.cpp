// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Case D: one thread, one heap. Pairs of one size, each block freed before the next is allocated; and the random mix.
#include "measure.hpp"
#include "random_blocks.hpp"

namespace bench {
namespace {

// The access is a copy, so that it can be kept in registers.
double pair(Access access, std::size_t size, std::size_t count) {
  const auto pairs = [&](std::size_t times) {
    for (std::size_t i = 0; i < times; ++i) {
      void* const block = access.allocate(size);
      keep(block);
      access.release(block);
    }
  };
  pairs(count / 10 + 1);
  return processor_nanoseconds([&] { pairs(count); }) / static_cast<double>(count);
}

double random_mix(Access& access, std::size_t count) {
  const auto only = [&](std::size_t) -> Access& { return access; };
  RandomBlocks blocks(1, only);
  blocks.replace(count / 5 + 1, only);
  const double time = processor_nanoseconds([&] { blocks.replace(count, only); });
  blocks.release_all(only);
  return time / static_cast<double>(count);
}

}  // namespace

void run_case_d(const Settings& settings) {
  Heap heap;
  Access access;
  require(heap.create(settings.heap) && access.open(heap), "cannot create a heap");
  const std::size_t count = settings.times(5'000'000);
  report("D/16", pair(access, 16, count));
  report("D/64", pair(access, 64, count));
  report("D/256", pair(access, 256, count));
  report("D/1024", pair(access, 1024, count));
  report("D/random", random_mix(access, count));
  access.close();
  heap.destroy();
}

}  // namespace bench
