// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// A large block that comes and goes costs no system call.
#include <sys/resource.h>

#include "bench/programs/count_calls.hpp"
#include "come_and_go.hpp"
#include "fixtures.hpp"
#include "support/catch.hpp"

using namespace fixtures;

namespace {

long page_faults() {
  rusage usage{};
  getrusage(RUSAGE_THREAD, &usage);
  return usage.ru_minflt;
}

}  // namespace

TEST_CASE("a large block that comes and goes costs no system call and no page fault", "[large]") {
  const std::size_t size = GENERATE(64 * kKiB, 256 * kKiB, kMiB, 6 * kMiB);
  const std::size_t others = GENERATE(std::size_t{0}, 30 * kMiB);  // small pages, and huge ones
  CAPTURE(size, others);
  berth_set_idle_age(~std::uint32_t{0});  // however slow the machine is
  Berth berth("ready");
  void* const other = berth_malloc(berth.handle(), others);
  REQUIRE(other != nullptr);
  REQUIRE(come_and_go(berth.handle(), size));
  const std::size_t committed = statistics(berth.get()).committed_bytes;
  const long before = page_faults();
  REQUIRE(come_and_go(berth.handle(), size));
  if (!kSanitized) CHECK(page_faults() == before);
  CHECK(statistics(berth.get()).committed_bytes == committed);
  if (!kSanitized) {
    const double calls = bench::count_calls([&] { come_and_go(berth.handle(), size); });
    if (calls < 0) WARN("nobody may trace here");
    CHECK(calls <= 0);
  }
  berth_free(berth.handle(), other);
  berth_set_idle_age(1000);
}
