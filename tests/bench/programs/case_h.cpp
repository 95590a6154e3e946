// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Case H: large blocks. One block grows from 16 B to 64 MiB, half as much again each time, its new pages written to;
// 1 MiB of zeros and a block aligned to 2 MiB, allocated and freed in a loop.
#include <algorithm>

#include "huge_pages.hpp"
#include "measure.hpp"

namespace bench {
namespace {

constexpr std::size_t kMiB = std::size_t{1} << 20;

struct Opened {
  Heap heap;
  Access access;
  explicit Opened(HeapOptions options) {
    options.keeps_blocks = true;
    require(heap.create(options) && access.open(heap), "cannot create a heap");
  }
  void destroy() {
    access.close();
    heap.destroy();
  }
};

double grow(const Settings& settings, bool without_huge_pages) {
  const WithoutHugePages process_too(without_huge_pages);
  HeapOptions options = settings.heap;
  options.without_huge_pages = without_huge_pages;
  Opened one(options);
  constexpr std::size_t kFirst = 16;
  constexpr std::size_t kLast = 64 * kMiB;
  void* block = nullptr;
  const double time = processor_nanoseconds([&] {
    std::size_t filled = 0;
    for (std::size_t size = kFirst; filled < kLast; size = std::min(size + size / 2, kLast)) {
      block = one.access.resize(block, size);
      require(block != nullptr, "realloc failed");
      write_pages(static_cast<volatile char*>(block), filled, size);
      filled = size;
    }
  });
  one.access.release(block);
  one.destroy();
  return time;
}

template <typename Allocate>
double pair(Opened& one, std::size_t count, Allocate allocate) {
  const auto pairs = [&](std::size_t times) {
    for (std::size_t i = 0; i < times; ++i) {
      void* const block = allocate(one.access);
      require(block != nullptr, "no memory for a large block");
      one.access.release(block);
    }
  };
  pairs(count / 10 + 1);
  return processor_nanoseconds([&] { pairs(count); }) / static_cast<double>(count);
}

}  // namespace

void run_case_h(const Settings& settings) {
  constexpr double kPerMicrosecond = 1e3;
  constexpr double kPerMillisecond = 1e6;
  in_child([&] { report("H/realloc-small", grow(settings, true) / kPerMillisecond); });
  in_child([&] { report("H/realloc", grow(settings, false) / kPerMillisecond); });
  if (!kPeerIsAllocator) {
    for (const char* row : {"H/calloc", "H/aligned"}) report_none(row, "no allocator");
    return;
  }
  Opened one(settings.heap);
  const auto zeros = [](Access& access) {
    auto* const block = static_cast<volatile char*>(access.allocate_zeroed(kMiB));
    if (block != nullptr) write_pages(block, 0, kMiB);
    return const_cast<char*>(block);
  };
  const auto aligned = [](Access& access) { return access.allocate_aligned(2 * kMiB, 2 * kMiB); };
  report("H/calloc", pair(one, settings.times(1000), zeros) / kPerMicrosecond);
  report("H/aligned", pair(one, settings.times(50'000), aligned) / kPerMicrosecond);
  one.destroy();
}

}  // namespace bench
