// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Case B: a heap is destroyed with 512 MiB in it that nobody freed. As many blocks of each doubling from 16 B to 256
// KiB, so that most bytes lie in large blocks and most blocks are small; every page of them is written to.
#include "huge_pages.hpp"
#include "measure.hpp"
#include "support/process_view.hpp"

namespace bench {
namespace {

using berth::tests::ProcessView;

constexpr double kMiB = 1 << 20;

struct RowNames {
  const char* destroy;
  const char* resident;
  const char* left;
};
constexpr RowNames kSmallPages{"B/destroy-small", "B/resident-small", "B/left-small"};
constexpr RowNames kHugePages{"B/destroy", "B/resident", "B/left"};

std::size_t random_size(Random& random) {
  constexpr std::uint32_t kSmallest = 4;  // as powers of two
  constexpr std::uint32_t kDoublings = 14;
  const std::uint64_t number = random.next();
  const std::size_t power = std::size_t{1} << (kSmallest + Pick(number, kDoublings, 1).first);
  return power + ((number >> 32) & (power - 1));
}

std::size_t fill(Access& access, std::size_t bytes) {
  Random random(2);
  std::size_t payload = 0;
  while (payload < bytes) {
    const std::size_t size = random_size(random);
    auto* const block = static_cast<volatile char*>(access.allocate(size));
    require(block != nullptr, "no memory for the blocks");
    write_pages(block, 0, size);
    payload += size;
  }
  return payload;
}

void destroy_full(const Settings& settings, const RowNames& rows) {
  HeapOptions options = settings.heap;
  options.keeps_blocks = true;
  options.without_huge_pages = &rows == &kSmallPages;
  const WithoutHugePages process_too(options.without_huge_pages);
  ProcessView::now();
  const ProcessView before = ProcessView::now();
  Heap heap;
  Access access;
  require(heap.create(options) && access.open(heap), "cannot create a heap");
  const auto payload = static_cast<double>(fill(access, settings.times(512 << 20, 512 << 20)));
  const ProcessView full = ProcessView::now();
  constexpr double kPerMillisecond = 1e6;
  const double time = processor_nanoseconds([&] {
    access.close();
    require(heap.destroy(), "cannot destroy a heap");
  });
  const ProcessView after = ProcessView::now();
  report(rows.destroy, time / kPerMillisecond);
  report(rows.resident, static_cast<double>(full.resident_bytes - before.resident_bytes) / payload);
  report(rows.left, (static_cast<double>(after.resident_bytes) - static_cast<double>(before.resident_bytes)) / kMiB);
}

}  // namespace

void run_case_b(const Settings& settings) {
  for (const RowNames* rows : {&kSmallPages, &kHugePages}) {
    if (kPeerHasHeaps) {
      in_child([&] { destroy_full(settings, *rows); });
    } else {
      for (const char* row : {rows->destroy, rows->resident, rows->left}) report_none(row, "no heaps");
    }
  }
}

}  // namespace bench
