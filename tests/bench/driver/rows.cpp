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
    {"bare", "bare", "", ""},
};

constexpr Case kCases[] = {{"A", 7, 3}, {"D", 7, 3}, {"F", 7, 3}};

constexpr Target kCycle[] = {{1.0, "bare", ""}};
constexpr Target kCalls[] = {{4, kAbsolute, ""}};
constexpr Target kPair[] = {{0.42, "mimalloc", ""}, {1.25, "berth", "", "checked"}};
constexpr Target kRandom[] = {{0.75, "mimalloc", ""}, {1.25, "berth", "", "checked"}};
constexpr Target kManyHeaps[] = {{0.55, "mimalloc", ""}};
constexpr Target kSwitch[] = {{0.2, "mimalloc", "F/1"}};
constexpr Target kRandomHeaps[] = {{1.0, "mimalloc", ""}};

constexpr Row kRows[] = {
    {"A/cycle", "create, 64 B block, destroy", "µs", false, kCycle},
    {"A/calls", "system calls of that", "", false, kCalls},
    {"D/16", "pair of 16 B", "ns", false, kPair},
    {"D/64", "pair of 64 B", "ns", false, kPair},
    {"D/256", "pair of 256 B", "ns", false, kPair},
    {"D/1024", "pair of 1,024 B", "ns", false, kPair},
    {"D/random", "random 16-1,024 B, 10,000 live", "ns", false, kRandom},
    {"F/1", "pair of 64 B, one heap", "ns"},
    {"F/64", "pair of 64 B, 64 heaps in turn", "ns", false, kManyHeaps},
    {"F/switch", "the difference: a switch", "ns", false, kSwitch},
    {"F/random", "random over 64 heaps", "ns", false, kRandomHeaps},
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
