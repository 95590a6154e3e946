// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
#include "arenas/line_table.hpp"

#include <random>
#include <set>
#include <vector>

#include "support/catch.hpp"
#include "support/seed.hpp"

using namespace berth;
using namespace berth::core;

namespace {

constexpr std::uint32_t kLinesInPage = 64;

struct Line {
  std::uint64_t value = 0;
  char more[pal::kPageSize / kLinesInPage - sizeof(std::uint64_t)] = {};
};

template <std::uint32_t kCapacity>
using Table = LineTable<Line, kCapacity>;

}  // namespace

TEST_CASE("a table hands out its lowest free line, and all of them") {
  static constinit Table<1024> table;
  std::mt19937_64 random(berth::tests::seed());
  std::set<std::uint32_t> free;
  for (std::uint32_t line = 0; line < 1024; ++line) free.insert(line);
  std::vector<std::uint32_t> taken;
  for (int step = 0; step < 100000; ++step) {
    // Long runs of either, so that the table gets full and empty.
    const bool takes = (random() % 16 < 9) == (step / 4000 % 2 == 0);
    if (takes) {
      const std::uint32_t line = table.take();
      REQUIRE(line == (free.empty() ? table.kFull : *free.begin()));
      if (free.empty()) continue;
      free.erase(line);
      taken.push_back(line);
      table[line].value = line + 1;
    } else if (!taken.empty()) {
      std::swap(taken[random() % taken.size()], taken.back());
      REQUIRE(table[taken.back()].value == taken.back() + 1);
      table.put_back(taken.back());
      free.insert(taken.back());
      taken.pop_back();
    }
  }
  std::set<std::uint32_t> used;
  for (std::uint32_t line = table.next(0); line != table.kFull; line = table.next(line + 1)) used.insert(line);
  CHECK(used == std::set<std::uint32_t>(taken.begin(), taken.end()));
  for (const std::uint32_t line : taken) CHECK(table[line].value == line + 1);
}

TEST_CASE("pages without a line in use go back, but the lowest of them") {
  static constinit Table<16 * kLinesInPage> table;
  for (std::uint32_t line = 0; line < 8 * kLinesInPage; ++line) {
    REQUIRE(table.take() == line);
    table[line].value = 1;
  }
  const auto remembers = [](std::uint32_t page) { return table[page * kLinesInPage].value == 1; };
  const auto empty_page = [](std::uint32_t page) {
    for (std::uint32_t line = 0; line < kLinesInPage; ++line) table.put_back(page * kLinesInPage + line);
  };
  empty_page(5);
  CHECK(remembers(5));
  empty_page(7);
  CHECK_FALSE(remembers(7));
  CHECK(remembers(5));
  empty_page(3);
  CHECK(remembers(3));
  CHECK_FALSE(remembers(5));
  // The one that was kept is in use again, and is the first to be kept anew.
  CHECK(table.take() == 3 * kLinesInPage);
  empty_page(4);
  CHECK(remembers(4));
  table.put_back(3 * kLinesInPage);
  CHECK(remembers(3));
  CHECK_FALSE(remembers(4));
  for (const std::uint32_t page : {0u, 1u, 2u, 6u}) CHECK(remembers(page));
  for (std::uint32_t page = 0; page < 16; ++page) {
    CHECK(table.may_hold(page * kLinesInPage) == (page < 3 || page == 6));
  }
}
