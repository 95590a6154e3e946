// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
#include "arenas/span.hpp"

#include <cstring>
#include <utility>

#include "support/catch.hpp"

using namespace berth;
using namespace berth::core;

namespace {
constexpr std::size_t kPage = pal::kPageSize;
}

TEST_CASE("a span's window grows at both ends and reads as zero") {
  const std::size_t bytes = 64 * kPage;
  Span span(bytes, pal::Access::None, 1);
  REQUIRE(span);
  CHECK(span.end() == span.base() + bytes);
  char* middle = span.base() + 32 * kPage;
  REQUIRE(span.open_window(middle, middle + kPage));
  std::memset(middle, 1, kPage);

  REQUIRE(span.extend_up(middle + 2 * kPage, 0, span.end()));
  CHECK(span.window_high() == middle + 2 * kPage);
  REQUIRE(span.extend_down(middle - kPage, 4 * kPage, span.base()));
  CHECK(span.window_low() == middle - 5 * kPage);
  for (const char* byte = span.window_low(); byte < middle; ++byte) REQUIRE(*byte == 0);
  std::memset(span.window_low(), 2, static_cast<std::size_t>(span.window_high() - span.window_low()));
}

TEST_CASE("a window never passes its limits, whatever reserve is asked for") {
  Span span(16 * kPage, pal::Access::None, 1);
  REQUIRE(span.open_window(span.base() + 8 * kPage, span.base() + 9 * kPage));
  REQUIRE(span.extend_down(span.base() + 7 * kPage, 100 * kPage, span.base() + 2 * kPage));
  CHECK(span.window_low() == span.base() + 2 * kPage);
  REQUIRE(span.extend_up(span.base() + 10 * kPage, 100 * kPage, span.end()));
  CHECK(span.window_high() == span.end());
}

TEST_CASE("a span moves with its reservation and releases once") {
  const std::size_t before = ledger::totals().reservations;
  {
    Span first(16 * kPage, pal::Access::None, 1);
    Span second(std::move(first));
    CHECK_FALSE(first);
    CHECK(second);
    CHECK(ledger::totals().reservations == before + 1);
    Span third(4 * kPage, pal::Access::None, 1);
    third = std::move(second);
    CHECK(ledger::totals().reservations == before + 1);
    CHECK(third.bytes() == 16 * kPage);
    CHECK(third.release() == ledger::Release::Done);
    CHECK_FALSE(third);
    CHECK(third.release() == ledger::Release::Done);
  }
  CHECK(ledger::totals().reservations == before);
}
