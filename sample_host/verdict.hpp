// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Did everything go back? Judged from /proc/self before and after the run and from Berth's ledger, each on its own.
#pragma once

#include "report.hpp"

namespace sample_host {

// What the ranges hold in a map: bytes, and entries that lie in them.
struct Occupied {
  std::size_t bytes = 0;
  std::size_t map_entries = 0;
};
Occupied occupied(const std::vector<AddressRange>& ranges, const MemoryMap& map);

// The facts that the verdict rests on.
struct Evidence {
  ProcessObserver::Snapshot before, after;
  std::vector<AddressRange> ranges;  // of every instance that was created
  Occupied taken;                    // by them, while they lived
  std::size_t destroyed = 0;         // instances
  berth_process_statistics ledger{};
  std::size_t runtime_allowance = 0;  // anonymous bytes put down to a sanitizer, in a build with one
};

// Address space in `after` that is not in `before`, entry by entry, split into what has an explanation that is not
// Berth and what has none. Only growth outside the instances' ranges; what is inside has remained.
Verdict judge(const Evidence& evidence);

}  // namespace sample_host
