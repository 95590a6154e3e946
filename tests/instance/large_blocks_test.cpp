// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Large blocks that come and go: what was just freed is kept ready, within bounds.
#include <cstring>

#include "come_and_go.hpp"
#include "fixtures.hpp"
#include "support/catch.hpp"

using namespace fixtures;

TEST_CASE("what is ready is bounded, and a purge leaves none", "[large]") {
  Berth berth("bounded");
  REQUIRE(berth_instance_purge(berth.get()) == BERTH_OK);
  const std::size_t at_birth = statistics(berth.get()).committed_bytes;
  const auto extra = [&] { return statistics(berth.get()).committed_bytes - at_birth; };
  constexpr std::size_t kBooks = 512 * kKiB;
  // What comes once leaves no more than 4 MiB.
  for (const std::size_t size : {kMiB, 3 * kMiB, 60 * kMiB}) {
    berth_free(berth.handle(), berth_malloc(berth.handle(), size));
    CHECK(extra() <= 4 * kMiB + kBooks);
  }
  // What comes again leaves as much as it needs, and not more than 32 MiB.
  REQUIRE(come_and_go(berth.handle(), 6 * kMiB));
  CHECK(extra() >= 6 * kMiB);
  REQUIRE(come_and_go(berth.handle(), 60 * kMiB));
  CHECK(extra() <= 32 * kMiB + kBooks);
  REQUIRE(berth_instance_purge(berth.get()) == BERTH_OK);
  CHECK(extra() == 0);
  berth_free(berth.handle(), berth_malloc(berth.handle(), 60 * kMiB));
  CHECK(extra() <= 4 * kMiB + kBooks);
}

TEST_CASE("what is ready is given up before a quota refuses", "[large]") {
  berth_instance_options with = options("pressed");
  with.quota_bytes = 6 * kMiB;
  Berth berth(with);
  for (int round = 0; round < 50; ++round) {
    for (const std::size_t size : {kMiB, 2 * kMiB, 4 * kMiB, 5 * kMiB}) {
      void* const block = berth_malloc(berth.handle(), size);
      REQUIRE(block != nullptr);
      std::memset(block, 1, size);
      berth_free(berth.handle(), block);
    }
  }
  CHECK(statistics(berth.get()).failed_allocations == 0);
  CHECK(statistics(berth.get()).peak_committed_bytes <= with.quota_bytes);
}
