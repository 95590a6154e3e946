// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Huge pages in the books: where they begin, that they count as a whole, and that nobody pays for what they round.
#include <cstring>
#include <random>
#include <utility>
#include <vector>

#include "own_arena.hpp"
#include "support/seed.hpp"

using namespace fixtures;

namespace {

constexpr std::uint64_t kPagesOfMiB = kMiB / kPage;
constexpr std::size_t kHugePage = 2 * kMiB;

// Where the system gives none, none are counted.
bool given() {
  if (pal::huge_pages() != pal::HugePages::Never) return true;
  WARN("this system gives no huge pages");
  return false;
}

char* allocate(ArenaOfItsOwn& own, std::uint64_t pages, std::uint64_t alignment = 1) {
  char* const address = own.arena->allocate(pages, alignment).address;
  REQUIRE(address != nullptr);
  return address;
}

std::size_t at_most_books(std::size_t used) { return used / 200 + 64 * kPage; }

}  // namespace

TEST_CASE("small pages first, then huge ones as a whole") {
  if (!given()) return;
  ArenaOfItsOwn own;
  std::size_t used = 0;
  for (; used < 7 * kMiB; used += 100 * kPage) {
    allocate(own, 100);
    REQUIRE(own.committed() <= used + 100 * kPage + at_most_books(used));
  }
  // Once the small ones are used up, a run costs a huge one, and the next ones nothing.
  std::size_t last = own.committed();
  const auto step = [&] { return own.committed() - std::exchange(last, own.committed()); };
  for (int run = 0; run < 2000; ++run) {
    allocate(own, 16);
    if (step() >= kHugePage) break;
    REQUIRE(run < 1999);
  }
  std::size_t steps = 0;
  for (int run = 0; run < 1024; ++run) {
    allocate(own, 16);
    const std::size_t more = step();
    if (more == 0) continue;
    CHECK(more >= kHugePage);
    CHECK(more <= kHugePage + 16 * kPage);
    ++steps;
  }
  CHECK(steps == 1024 * 16 / 512);
}

TEST_CASE("runs are packed into huge pages, whatever their size") {
  const std::uint64_t pages = GENERATE(as<std::uint64_t>(), 9, 33, 100, 257, 3 * kPagesOfMiB, 5 * kPagesOfMiB + 1);
  CAPTURE(pages);
  ArenaOfItsOwn own(0, 512 * kMiB);
  std::size_t used = 0;
  while (used < 100 * kMiB) {
    std::memset(allocate(own, pages), 1, kPage);
    used += pages * kPage;
  }
  CHECK(own.committed() <= used + 2 * kHugePage + at_most_books(used));
}

TEST_CASE("pages that were never used read as zero, packed or not") {
  ArenaOfItsOwn own;
  for (int run = 0; run < 200; ++run) {
    const Arena::Allocation got = own.arena->allocate(50, run % 3 == 0 ? 64 : 1);
    REQUIRE(got.address != nullptr);
    if (got.zero) REQUIRE((got.address[0] == 0 && std::memcmp(got.address, got.address + 1, 50 * kPage - 1) == 0));
    std::memset(got.address, 0xAB, 50 * kPage);
  }
}

TEST_CASE("a quota is not spent on what huge pages round") {
  const std::uint64_t pages = GENERATE(as<std::uint64_t>(), 9, 100, 700);
  constexpr std::size_t kQuota = 24 * kMiB;
  ArenaOfItsOwn own(kQuota);
  std::size_t used = 0;
  while (own.arena->allocate(pages, 1).address != nullptr) {
    used += pages * kPage;
    REQUIRE(own.committed() <= kQuota);
  }
  CHECK(used + pages * kPage + at_most_books(used) >= kQuota);
}

// Where it begins decides: a system with huge pages puts it at one's beginning, QEMU does not.
TEST_CASE("a small span is used up in small pages", "[native]") {
  ArenaOfItsOwn own(0, 24 * kMiB, pal::Access::None, HugePagePolicy::Always);
  std::size_t used = 0;
  while (own.arena->allocate(50, 1).address != nullptr) used += 50 * kPage;
  CHECK(used + 50 * kPage >= 20 * kMiB - Arena::kGapPages * kPage);
}

TEST_CASE("what is free goes back, in whole huge pages or in parts") {
  const std::uint64_t seed = berth::tests::seed();
  CAPTURE(seed);
  std::mt19937_64 random(seed);
  ArenaOfItsOwn own(0, 512 * kMiB);
  const std::size_t at_birth = own.committed();
  struct Run {
    char* address;
    std::uint64_t pages;
  };
  std::vector<Run> runs;
  std::size_t used = 0;
  const auto free_some = [&](std::size_t keep) {
    while (used > keep) {
      std::swap(runs[random() % runs.size()], runs.back());
      used -= free_run(*own.arena, runs.back().address) * kPage;
      runs.pop_back();
    }
  };
  for (int round = 0; round < 4; ++round) {
    while (used < 100 * kMiB) {
      const std::uint64_t pages = 9 + random() % 300;
      runs.push_back({allocate(own, pages, random() % 4 == 0 ? 64 : 1), pages});
      used += pages * kPage;
    }
    free_some(60 * kMiB);
    own.arena->purge();
    // All but a 32nd of what is committed.
    CHECK(own.committed() <= (used + at_most_books(100 * kMiB)) * 32 / 31 + kPage);
    free_some(round % 2 == 0 ? 0 : 5 * kMiB);
    own.arena->purge();
    CHECK(own.committed() <= (used + at_most_books(100 * kMiB)) * 32 / 31 + kPage);
  }
  free_some(0);
  own.arena->purge();
  CHECK(own.committed() == at_birth);
}

TEST_CASE("a run that has grown large moves to huge pages, and stays there") {
  if (!given()) return;
  ArenaOfItsOwn own(0, 1024 * kMiB);
  char* block = own.arena->allocate_to_grow(3 * kPagesOfMiB).address;
  REQUIRE(block != nullptr);
  CHECK(own.arena->relocate(block, 4 * kPagesOfMiB, true) == nullptr);  // too little for huge pages yet
  std::memset(block, 7, 3 * kMiB);
  char* const moved = own.arena->relocate(block, 9 * kPagesOfMiB, true);
  REQUIRE(moved != nullptr);
  CHECK(page_number(moved) % pal::kHugePages == 0);
  CHECK(moved[0] == 7);
  CHECK(moved[3 * kMiB - 1] == 7);
  CHECK(own.committed() <= 10 * kMiB + at_most_books(36 * kMiB));
  CHECK(own.committed() >= 10 * kMiB);
  std::uint64_t old_pages = 0;
  CHECK(own.arena->relocate(moved, 20 * kPagesOfMiB, true) == nullptr);
  REQUIRE(own.arena->resize(moved, 21 * kPagesOfMiB, old_pages) == Arena::Resize::Done);
  CHECK(own.committed() >= 22 * kMiB);
  CHECK(free_run(*own.arena, moved) == 21 * kPagesOfMiB);
  own.arena->purge();
  CHECK(own.committed() <= 3 * kPage);
}
