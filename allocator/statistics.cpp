// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
#include "allocator/statistics.hpp"

namespace berth::core {

Statistics collect_statistics(Instance& instance) noexcept {
  Statistics sums{};
  const Arena::Counts counts = instance.arena.counts();
  sums.span_bytes = instance.arena.span_bytes();
  sums.committed_bytes = counts.committed_bytes;
  sums.peak_committed_bytes = counts.peak_committed_bytes;
  sums.quota_bytes = counts.quota_bytes;

  const std::uint64_t direct = instance.direct_deallocations.load(std::memory_order_relaxed);
  sums.allocations = instance.large_allocations.load(std::memory_order_relaxed);
  sums.deallocations = instance.large_deallocations.load(std::memory_order_relaxed) + direct;
  sums.remote_deallocations = direct;
  sums.failed_allocations = instance.failed_allocations.load(std::memory_order_relaxed);
  sums.live_bytes =
      instance.large_bytes.load(std::memory_order_relaxed) - instance.direct_bytes.load(std::memory_order_relaxed);
  instance.for_each_cache([&](const ThreadCache& cache) {
    sums.remote_deallocations += cache.remote_deallocations.get();
    cache.for_each_used_bin([&](unsigned size_class) {
      const Bin& bin = cache.bins[size_class];
      const std::uint64_t allocations = bin.allocations.get();
      const std::uint64_t deallocations = bin.deallocations();
      sums.allocations += allocations;
      sums.deallocations += deallocations;
      // A cache may have freed more than it allocated; the sum over all caches is what was left. It wraps in between.
      sums.live_bytes += (allocations - deallocations) * size_class::kTable[size_class].block_bytes;
    });
  });
  sums.live_blocks = sums.allocations - sums.deallocations;
  // Read while threads are inside, or after a double free that nobody caught: fewer than none is none.
  if (sums.allocations < sums.deallocations) sums.live_blocks = 0;
  if (sums.live_blocks == 0 || static_cast<std::ptrdiff_t>(sums.live_bytes) < 0) sums.live_bytes = 0;
  return sums;
}

}  // namespace berth::core
