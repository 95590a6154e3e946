// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
#include "host_api/src/views/figures.hpp"

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstring>
#include <limits>

#include "allocator/statistics.hpp"
#include "host_api/src/views/notes.hpp"

namespace berth::views {

namespace {

// Written once, before the program has threads (release); read by anyone (acquire).
constinit std::atomic<Refine> refinement{nullptr};

std::size_t range_of(std::size_t block_bytes) noexcept {
  return static_cast<std::size_t>(std::bit_width(block_bytes - 1)) - 3;
}
static_assert(core::kMaxSmall == std::size_t{8} << (kSizeRanges - 2));

void count_sizes(core::Instance& instance, std::array<std::uint32_t, kSizeRanges>& sizes) noexcept {
  // A cache may have freed more than it allocated, so that differences are summed before they are cut to size.
  std::array<std::int64_t, kSizeRanges> sums{};
  instance.for_each_cache([&](const core::ThreadCache& cache) {
    cache.for_each_used_bin([&](unsigned size_class) {
      const core::Bin& bin = cache.bins[size_class];
      const std::size_t bytes = core::size_class::kTable[size_class].block_bytes;
      sums[range_of(bytes)] += static_cast<std::int64_t>(bin.allocations.get() - bin.deallocations());
    });
  });
  sums[kSizeRanges - 1] = static_cast<std::int64_t>(instance.large_blocks.load(std::memory_order_relaxed));
  for (std::size_t range = 0; range < kSizeRanges; ++range) {
    constexpr std::int64_t kMost = std::numeric_limits<std::uint32_t>::max();
    sizes[range] = static_cast<std::uint32_t>(std::clamp<std::int64_t>(sums[range], 0, kMost));
  }
}

}  // namespace

void collect(core::Instance& instance, Figures& out) noexcept {
  out = {};
  out.id = instance.id;
  core::registry::copy_name(instance.self, out.name);
  out.standing = core::registry::standing(instance.self);
  out.statistics = core::collect_statistics(instance);
  count_sizes(instance, out.sizes);
  notes::find(instance.self, out.metering, out.metering_text);
  if (const Refine refine = refinement.load(std::memory_order_acquire)) refine(instance, out);
  if (out.metering_text[0] == '\0' && out.statistics.allocations == 0) {
    std::strcpy(out.metering_text, "has allocated nothing");
  }
}

void refine_with(Refine refine) noexcept { refinement.store(refine, std::memory_order_release); }

const char* state_name(core::registry::Standing standing) noexcept {
  switch (standing) {
    case core::registry::Standing::Zombie: return "zombie";
    case core::registry::Standing::Kept: return "kept";
    default: return "loaded";
  }
}

const char* metering_name(Metering metering) noexcept {
  switch (metering) {
    case Metering::Not: return "not";
    case Metering::Partly: return "partly";
    default: return "whole";
  }
}

}  // namespace berth::views
