// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Case C: 5,000 heaps, one after the other, each with 10,000 blocks of which half are freed. How much more the process
// has at the end than after the tenth. Then the same among 200 others: each new one takes the place of a random one,
// all are destroyed at the end, and the process is compared with what it was before the first of them.
#include <vector>

#include "measure.hpp"
#include "support/process_view.hpp"

namespace bench {
namespace {

using berth::tests::ProcessView;

constexpr std::size_t kBlocks = 10000;
constexpr std::size_t kWarmUp = 10;
constexpr std::size_t kNeighbours = 200;

struct RowNames {
  const char* address_space;
  const char* resident;
  const char* map_entries;
  const char* keys_and_descriptors;
};
constexpr RowNames kAlone{"C/address-space", "C/resident", "C/maps", "C/keys"};
constexpr RowNames kAmongNeighbours{"C/n-address-space", "C/n-resident", "C/n-maps", "C/n-keys"};

struct Opened {
  Heap heap;
  Access access;
};

// The same sizes in the same order each time.
void create(Opened& one, std::vector<void*>& blocks, const HeapOptions& options) {
  constexpr std::uint32_t kSmallest = 16;
  constexpr std::uint32_t kSizes = 500;
  require(one.heap.create(options) && one.access.open(one.heap), "cannot create a heap");
  Random random(3);
  for (void*& block : blocks) {
    block = one.access.allocate(kSmallest + Pick(random.next(), kSizes, 1).first);
    require(block != nullptr, "no memory for the blocks");
    *static_cast<volatile char*>(block) = 1;
  }
  for (std::size_t i = 0; i < blocks.size(); i += 2) one.access.release(blocks[i]);
}

void destroy(Opened& one) {
  one.access.close();
  require(one.heap.destroy(), "cannot destroy a heap");
}

void report_growth(const RowNames& rows, const ProcessView& before, const ProcessView& after) {
  constexpr double kKiB = 1024;
  const auto growth = [](std::size_t from, std::size_t to) {
    return static_cast<double>(to) - static_cast<double>(from);
  };
  report(rows.address_space, growth(before.address_space_bytes, after.address_space_bytes) / kKiB);
  report(rows.resident, growth(before.resident_bytes, after.resident_bytes) / kKiB);
  report(rows.map_entries, growth(before.map_entries, after.map_entries));
  report(rows.keys_and_descriptors,
         growth(before.thread_keys + before.descriptors, after.thread_keys + after.descriptors));
}

void run_alone(const Settings& settings, std::vector<void*>& blocks) {
  const auto cycles = [&](std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
      Opened one;
      create(one, blocks, settings.heap);
      destroy(one);
    }
  };
  cycles(kWarmUp);
  ProcessView::now();
  const ProcessView before = ProcessView::now();
  cycles(settings.times(5000, 200));
  report_growth(kAlone, before, ProcessView::now());
}

void run_among_neighbours(const Settings& settings, std::vector<void*>& blocks) {
  std::vector<Opened> neighbours(kNeighbours);
  Random random(4);
  const auto cycles = [&](std::size_t count) {
    for (Opened& one : neighbours) create(one, blocks, settings.heap);
    for (std::size_t i = 0; i < count; ++i) {
      Opened newcomer;
      create(newcomer, blocks, settings.heap);
      Opened& leaves = neighbours[Pick(random.next(), kNeighbours, 1).first];
      destroy(leaves);
      leaves = newcomer;
    }
    for (std::size_t left = kNeighbours; left > 0; --left) {
      Opened& leaves = neighbours[Pick(random.next(), static_cast<std::uint32_t>(left), 1).first];
      destroy(leaves);
      leaves = neighbours[left - 1];
    }
  };
  cycles(kWarmUp);
  ProcessView::now();
  const ProcessView before = ProcessView::now();
  cycles(settings.times(5000, 200));
  report_growth(kAmongNeighbours, before, ProcessView::now());
}

}  // namespace

void run_case_c(const Settings& settings) {
  if (!kPeerHasHeaps) {
    for (const RowNames& rows : {kAlone, kAmongNeighbours}) {
      for (const char* row : {rows.address_space, rows.resident, rows.map_entries, rows.keys_and_descriptors}) {
        report_none(row, "no heaps");
      }
    }
    return;
  }
  std::vector<void*> blocks(kBlocks);
  in_child([&] { run_alone(settings, blocks); });
  in_child([&] { run_among_neighbours(settings, blocks); });
}

}  // namespace bench
