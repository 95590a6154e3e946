// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Case A: a heap is created, gives one block of 64 bytes that is written to, and is destroyed.
#include "count_calls.hpp"
#include "measure.hpp"

namespace bench {
namespace {

void cycle(const HeapOptions& options) {
  constexpr std::size_t kSize = 64;
  Heap heap;
  Access access;
  require(heap.create(options) && access.open(heap), "cannot create a heap");
  auto* const block = static_cast<volatile char*>(access.allocate(kSize));
  require(block != nullptr, "no block from a new heap");
  *block = 1;
  access.close();
  require(heap.destroy(), "cannot destroy a heap");
}

}  // namespace

void run_case_a(const Settings& settings) {
  if (!kPeerHasHeaps) {
    for (const char* row : {"A/cycle", "A/calls"}) report_none(row, "no heaps");
    return;
  }
  const auto cycles = [&](std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) cycle(settings.heap);
  };
  const std::size_t count = settings.times(5000);
  cycles(count / 10 + 1);
  constexpr double kPerMicrosecond = 1e3;
  report("A/cycle", processor_nanoseconds([&] { cycles(count); }) / static_cast<double>(count) / kPerMicrosecond);

  constexpr std::size_t kCounted = 10;
  const double calls = count_calls([&] { cycles(kCounted); });
  if (calls < 0) {
    report_none("A/calls", "tracing is not permitted");
  } else {
    report("A/calls", calls / kCounted);
  }
}

}  // namespace bench
