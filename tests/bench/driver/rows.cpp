// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
#include "rows.hpp"

#include <algorithm>

namespace bench {
namespace {

constexpr Column kColumns[] = {
    {"berth", "berth", "", ""},
    {"checked", "berth", "checked", "D"},
    {"mimalloc", "mimalloc", "", "", true},
    {"jemalloc", "jemalloc", "", "", true},
    {"tbb", "tbb", "", "", true},
    {"tcmalloc", "tcmalloc", "", "", true},
    {"glibc", "glibc", "", "", true},
    {"bare", "bare", "", "ABDFGH"},
};

constexpr Case kCases[] = {{"A", 9, 3}, {"B", 5, 1}, {"C", 1, 1}, {"D", 9, 3},
                           {"E", 7, 2}, {"F", 9, 3}, {"G", 1, 1}, {"H", 7, 2}};

constexpr Target kCycle[] = {{1.0, "bare", ""}};
constexpr Target kCalls[] = {{4, kAbsolute, ""}};
constexpr Target kDestroySmall[] = {{1.05, "bare", ""}};
constexpr Target kDestroyHuge[] = {{0.06, "bare", "B/destroy-small"}};
constexpr Target kPacked[] = {{1.05, kAbsolute, ""}};
constexpr Target kNothing[] = {{0, kAbsolute, ""}};
constexpr Target kNextToNothing[] = {{64, kAbsolute, ""}};
constexpr Target kPair[] = {{0.42, "mimalloc", ""}, {1.25, "berth", "", "checked"}};
constexpr Target kRandom[] = {{0.75, "mimalloc", ""}, {1.25, "berth", "", "checked"}};
constexpr Target kTwoThreads[] = {{1.0, "tcmalloc", ""}};
constexpr Target kRing[] = {{1.0, "jemalloc", ""}};
constexpr Target kManyHeaps[] = {{0.55, "mimalloc", ""}};
constexpr Target kSwitch[] = {{0.2, "mimalloc", "F/1"}};
constexpr Target kRandomHeaps[] = {{1.0, "mimalloc", ""}};

constexpr Target kIdle[] = {{20, kAbsolute, ""}};
constexpr Target kIdleWithTables[] = {{32, kAbsolute, ""}};
constexpr Target kMost[] = {{20000, kAbsolute, ""}};
constexpr Target kGrowSmall[] = {{0.7, "glibc", ""}};
constexpr Target kGrow[] = {{0.4, "glibc", ""}};
constexpr Target kLarge[] = {{1.1, kBestPackaged, ""}};

constexpr Row kRows[] = {
    {"A/cycle", "create, 64 B block, destroy", "µs", false, kCycle, true},
    {"A/calls", "system calls of that", "", false, kCalls},
    {"B/destroy-small", "destroy with 512 MiB live, 4 KiB pages", "ms", false, kDestroySmall, true},
    {"B/destroy", "destroy with 512 MiB live, huge pages", "ms", false, kDestroyHuge, true},
    {"B/resident-small", "resident ÷ payload, 4 KiB pages", "", false, kPacked},
    {"B/resident", "resident ÷ payload, huge pages", "", false, kPacked, true},
    {"B/left-small", "resident after destroy, 4 KiB pages", "MiB"},
    {"B/left", "resident after destroy, huge pages", "MiB"},
    {"C/address-space", "5,000 cycles: address space", "KiB", false, kNothing},
    {"C/resident", "5,000 cycles: resident", "KiB", false, kNextToNothing},
    {"C/maps", "5,000 cycles: map entries", "", false, kNothing},
    {"C/keys", "5,000 cycles: thread keys and descriptors", "", false, kNothing},
    {"C/n-address-space", "among 200 others: address space", "KiB", false, kNothing, true},
    {"C/n-resident", "among 200 others: resident", "KiB", false, kNextToNothing, true},
    {"C/n-maps", "among 200 others: map entries", "", false, kNothing},
    {"C/n-keys", "among 200 others: thread keys and descriptors", "", false, kNothing},
    {"D/16", "pair of 16 B", "ns", false, kPair},
    {"D/64", "pair of 64 B", "ns", false, kPair, true},
    {"D/256", "pair of 256 B", "ns", false, kPair},
    {"D/1024", "pair of 1,024 B", "ns", false, kPair},
    {"D/random", "random 16-1,024 B, 10,000 live", "ns", false, kRandom, true},
    {"E/random", "two threads in one heap, random", "M pairs/s", true, kTwoThreads, true},
    {"E/ring", "one allocates, the other frees", "M/s", true, kRing, true},
    {"F/1", "pair of 64 B, one heap", "ns"},
    {"F/64", "pair of 64 B, 64 heaps in turn", "ns", false, kManyHeaps, true},
    {"F/switch", "the difference: a switch", "ns", false, kSwitch},
    {"F/random", "random over 64 heaps", "ns", false, kRandomHeaps, true},
    {"G/resident", "resident per heap of 1,000", "KiB", false, kIdle, true},
    {"G/with-tables", "the same with page tables", "KiB", false, kIdleWithTables},
    {"G/left", "left of all 1,000 after destroy", "KiB", false, kNextToNothing},
    {"G/most", "most heaps at once, of 20,000", "", true, kMost},
    {"H/realloc-small", "realloc 16 B to 64 MiB, 4 KiB pages", "ms", false, kGrowSmall, true},
    {"H/realloc", "realloc 16 B to 64 MiB, huge pages", "ms", false, kGrow, true},
    {"H/calloc", "calloc 1 MiB, written to", "µs", false, kLarge, true},
    {"H/aligned", "2 MiB aligned to 2 MiB", "µs", false, kLarge},
};

}  // namespace

std::span<const Column> columns() { return kColumns; }
std::span<const Case> cases() { return kCases; }
std::span<const Row> rows() { return kRows; }

const Row* find_row(std::string_view name) {
  const auto* const found =
      std::find_if(std::begin(kRows), std::end(kRows), [&](const Row& r) { return r.name == name; });
  return found == std::end(kRows) ? nullptr : found;
}

}  // namespace bench
