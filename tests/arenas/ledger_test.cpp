// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
#include "arenas/ledger.hpp"

#include <vector>

#include "arenas/pal/pal.hpp"
#include "support/catch.hpp"

using namespace berth;
using namespace berth::core;

TEST_CASE("the ledger counts what is reserved and forgets what is released") {
  const LedgerTotals before = ledger::totals();
  const Reservation first = ledger::reserve(std::size_t{1} << 20, pal::Access::None, 1);
  const Reservation second = ledger::reserve(std::size_t{2} << 20, pal::kUncharged, 2);
  REQUIRE(first);
  REQUIRE(second);
  CHECK(first.line != second.line);
  CHECK(ledger::totals().reservations == before.reservations + 2);
  CHECK(ledger::totals().reserved_bytes == before.reserved_bytes + (std::size_t{3} << 20));
  CHECK(ledger::release(first) == ledger::Release::Done);
  CHECK(ledger::totals().reserved_bytes == before.reserved_bytes + (std::size_t{2} << 20));
  CHECK(ledger::release(second) == ledger::Release::Done);
  CHECK(ledger::totals().reservations == before.reservations);
  CHECK(ledger::totals().reserved_bytes == before.reserved_bytes);
}

TEST_CASE("a reservation that the system refuses leaves no line") {
  const LedgerTotals before = ledger::totals();
  CHECK_FALSE(ledger::reserve(std::size_t{1} << 62, pal::Access::None, 1));
  CHECK(ledger::totals().reservations == before.reservations);
  CHECK(ledger::totals().reserved_bytes == before.reserved_bytes);
}

TEST_CASE("lines are used again") {
  const Reservation first = ledger::reserve(pal::kPageSize, pal::Access::None, 1);
  const std::uint32_t line = first.line;
  ledger::release(first);
  const Reservation second = ledger::reserve(pal::kPageSize, pal::Access::None, 1);
  CHECK(second.line == line);
  ledger::release(second);
}
