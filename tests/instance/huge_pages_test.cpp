// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Huge pages as the kernel counts them (AnonHugePages): by the option, and only for instances with much memory.
#include "support/huge_pages.hpp"

#include <cstring>

#include "fixtures.hpp"
#include "resident.hpp"
#include "support/catch.hpp"

using namespace fixtures;
using berth::tests::huge_pages_given;

namespace {

std::size_t huge_bytes(const Berth& berth) {
  const Resident resident = resident_in_span(berth.handle());
  // An entry may reach into a neighbour that has asked for nothing and has no huge page either.
  if (!resident.shared) CHECK(resident.bytes <= statistics(berth.get()).committed_bytes);
  return resident.huge_bytes;
}

void fill(const Berth& berth, std::size_t bytes, std::size_t block_bytes) {
  for (std::size_t used = 0; used < bytes; used += block_bytes) {
    void* const block = berth_malloc(berth.handle(), block_bytes);
    REQUIRE(block != nullptr);
    std::memset(block, 1, block_bytes);
  }
}

berth_instance_options with_huge_pages(std::uint32_t huge_pages) {
  berth_instance_options with = options("huge");
  with.huge_pages = huge_pages;
  return with;
}

}  // namespace

TEST_CASE("much memory comes in huge pages, from slabs or not", "[huge]") {
  if (!huge_pages_given()) return;
  const std::size_t block = GENERATE(std::size_t{100}, std::size_t{3000}, std::size_t{50'000}, 3 * kMiB, 100 * kMiB);
  CAPTURE(block);
  Berth berth(with_huge_pages(BERTH_HUGE_PAGES_AUTO));
  fill(berth, 100 * kMiB, block);
  CHECK(huge_bytes(berth) >= 80 * kMiB);
  REQUIRE(berth_instance_purge(berth.get()) == BERTH_OK);
  CHECK(huge_bytes(berth) >= 80 * kMiB);
}

TEST_CASE("an instance with little memory has no huge page", "[huge]") {
  const std::uint32_t flags = GENERATE(0u, std::uint32_t{BERTH_INSTANCE_NORESERVE});
  for (std::size_t i = 0; i < 20; ++i) {
    berth_instance_options with = with_huge_pages(BERTH_HUGE_PAGES_AUTO);
    with.flags = flags;
    Berth berth(with);
    fill(berth, i * 100 * kKiB, i % 2 == 0 ? 600 : 60'000);
    CHECK(huge_bytes(berth) == 0);
  }
}

TEST_CASE("never means never", "[huge]") {
  Berth berth(with_huge_pages(BERTH_HUGE_PAGES_NEVER));
  fill(berth, 64 * kMiB, 50'000);
  CHECK(huge_bytes(berth) == 0);
}

TEST_CASE("always begins at once", "[huge]") {
  if (!huge_pages_given()) return;
  Berth berth(with_huge_pages(BERTH_HUGE_PAGES_ALWAYS));
  fill(berth, 6 * kMiB, 50'000);
  CHECK(huge_bytes(berth) >= 4 * kMiB);
}

TEST_CASE("a block that grows large ends in huge pages", "[huge]") {
  if (!huge_pages_given()) return;
  Berth berth(with_huge_pages(BERTH_HUGE_PAGES_AUTO));
  unsigned char* block = nullptr;
  std::size_t filled = 0;
  for (std::size_t size = 1000; size < 64 * kMiB; size += size / 2) {
    block = static_cast<unsigned char*>(berth_realloc(berth.handle(), block, size));
    REQUIRE(block != nullptr);
    if (filled != 0) CHECK(block[filled - 1] == 7);
    std::memset(block + filled, 7, size - filled);
    filled = size;
  }
  CHECK(all_bytes_are(block, filled, 7));
  CHECK(huge_bytes(berth) >= filled / 2);
}
