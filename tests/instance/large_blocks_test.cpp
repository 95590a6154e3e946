// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Large blocks that come and go: what was just freed is kept ready, within bounds, so that a loop costs no system call.
#include <sys/resource.h>

#include <bit>
#include <cstring>

#include "bench/programs/count_calls.hpp"
#include "fixtures.hpp"
#include "support/catch.hpp"

using namespace fixtures;

namespace {

// Allocates and frees in each way; false: no memory, or zeros that are none.
bool come_and_go(berth_allocator* handle, std::size_t size) {
  for (int round = 0; round < 100; ++round) {
    auto* block = static_cast<unsigned char*>(berth_malloc(handle, size));
    if (block == nullptr) return false;
    std::memset(block, 0xAB, size);
    berth_free(handle, block);
    block = static_cast<unsigned char*>(berth_calloc(handle, 1, size));
    if (block == nullptr || !all_bytes_are(block, size, 0)) return false;
    std::memset(block, 0xCD, size);
    block = static_cast<unsigned char*>(berth_realloc(handle, block, size / 2));
    if (block == nullptr) return false;
    block = static_cast<unsigned char*>(berth_realloc(handle, block, size));
    if (block == nullptr) return false;
    berth_free(handle, block);
    block = static_cast<unsigned char*>(berth_aligned_alloc(handle, std::bit_floor(size), size));
    if (block == nullptr) return false;
    std::memset(block, 0xEF, size);
    berth_free(handle, block);
  }
  return true;
}

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
}

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
