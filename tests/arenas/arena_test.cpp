// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
#include "arenas/arena.hpp"

#include <cstring>
#include <vector>

#include "own_arena.hpp"

using namespace fixtures;

TEST_CASE("pages come zeroed, aligned and below the gap") {
  ArenaOfItsOwn own;
  const Arena::Allocation first = own.arena->allocate(3, 1);
  REQUIRE(first.address != nullptr);
  CHECK(first.zero);
  CHECK(first.address + 3 * kPage <= own.top() - Arena::kGapPages * kPage);
  for (std::size_t byte = 0; byte < 3 * kPage; ++byte) REQUIRE(first.address[byte] == 0);
  for (std::uint64_t alignment = 1; alignment <= 4096; alignment *= 4) {
    const Arena::Allocation aligned = own.arena->allocate(1, alignment);
    REQUIRE(aligned.address != nullptr);
    CHECK(page_number(aligned.address) % alignment == 0);
  }
}

TEST_CASE("a range is freed once and only at its start") {
  ArenaOfItsOwn own;
  char* block = own.arena->allocate(4, 1).address;
  std::uint64_t pages = 0;
  CHECK_FALSE(own.arena->deallocate(block + kPage, pages));
  CHECK(free_run(*own.arena, block) == 4);
  CHECK_FALSE(own.arena->deallocate(block, pages));
  CHECK_FALSE(own.arena->deallocate(own.top() - kPage, pages));
}

TEST_CASE("committed counts what is handed out, kept ready and the books, to the page") {
  ArenaOfItsOwn own;
  const std::size_t at_birth = own.committed();
  CHECK(at_birth == kPage);
  char* block = own.arena->allocate(100, 128).address;
  CHECK(own.committed() == at_birth + 100 * kPage);
  free_run(*own.arena, block);
  CHECK(own.committed() == at_birth + 100 * kPage);  // ready
  char* again = own.arena->allocate(60, 1).address;
  CHECK(own.committed() == at_birth + 100 * kPage);  // out of what was ready
  free_run(*own.arena, again);
  own.arena->purge();
  CHECK(own.committed() == at_birth);
  CHECK(own.arena->counts().peak_committed_bytes == at_birth + 100 * kPage);
}

TEST_CASE("dirty pages are not called zero, purged ones are") {
  ArenaOfItsOwn own;
  char* block = own.arena->allocate(8, 8).address;
  std::memset(block, 0xab, 8 * kPage);
  free_run(*own.arena, block);
  const Arena::Allocation dirty = own.arena->allocate(8, 8);
  CHECK(dirty.address == block);
  CHECK_FALSE(dirty.zero);
  free_run(*own.arena, block);
  own.arena->purge();
  const Arena::Allocation clean = own.arena->allocate(8, 8);
  CHECK(clean.zero);
  for (std::size_t byte = 0; byte < 8 * kPage; ++byte) REQUIRE(clean.address[byte] == 0);
}

TEST_CASE("a purge gives the books of what is empty back, and they can be had again") {
  ArenaOfItsOwn own;
  char* const kept = own.arena->allocate(10, 1).address;
  const std::size_t before = own.committed();
  for (int round = 0; round < 3; ++round) {
    char* const block = own.arena->allocate(64 * kMiB / kPage, 1).address;
    REQUIRE(block != nullptr);
    std::memset(block, 1, 64 * kMiB);
    free_run(*own.arena, block);
    CHECK(own.committed() > before);
    own.arena->purge();
    CHECK(own.committed() == before);
    // Nobody looks at entries of pages that are in use no more, and the books know that they were.
    CHECK(own.limit == own.arena->pagemap().index(own.arena->lowest_page()) + 1);
    CHECK(own.arena->lowest_page_ever() <= page_number(block));
  }
  CHECK(free_run(*own.arena, kept) == 10);
}

TEST_CASE("more than the allowed share of ready pages goes back by itself") {
  ArenaOfItsOwn own;
  char* block = own.arena->allocate(64 * kMiB / kPage, 1).address;
  const std::size_t full = own.committed();
  free_run(*own.arena, block);
  CHECK(own.committed() < full / 8);
}

TEST_CASE("the quota is exact") {
  ArenaOfItsOwn own(64 * kPage);
  const std::size_t at_birth = own.committed();
  std::vector<char*> blocks;
  while (char* block = own.arena->allocate(1, 1).address) {
    blocks.push_back(block);
    REQUIRE(own.committed() <= 64 * kPage);
  }
  CHECK(blocks.size() == 64 - at_birth / kPage);
  // What is ready is given up for what is asked.
  for (char* block : blocks) free_run(*own.arena, block);
  CHECK(own.arena->allocate(60, 1).address != nullptr);
  CHECK(own.committed() <= 64 * kPage);
  CHECK(own.arena->allocate(64, 1).address == nullptr);
}

TEST_CASE("a lower quota refuses growth and takes nothing away") {
  ArenaOfItsOwn own;
  char* block = own.arena->allocate(100, 1).address;
  own.arena->set_quota(10 * kPage);
  CHECK(own.arena->allocate(1, 1).address == nullptr);
  std::memset(block, 1, 100 * kPage);
  own.arena->set_quota(0);
  CHECK(own.arena->allocate(1, 1).address != nullptr);
}

TEST_CASE("a run grows in place into free pages and shrinks to its size") {
  ArenaOfItsOwn own;
  char* block = own.arena->allocate(16, 16).address;
  std::uint64_t old_pages = 0;
  REQUIRE(own.arena->resize(block, 4, old_pages) == Arena::Resize::Done);
  CHECK(old_pages == 16);
  REQUIRE(own.arena->resize(block, 12, old_pages) == Arena::Resize::Done);
  CHECK(old_pages == 4);
  char* neighbour = own.arena->allocate(4, 4).address;
  REQUIRE(neighbour == block + 12 * kPage);
  CHECK(own.arena->resize(block, 13, old_pages) == Arena::Resize::Refused);
  CHECK(old_pages == 12);
  free_run(*own.arena, neighbour);
  CHECK(own.arena->resize(block, 13, old_pages) == Arena::Resize::Done);
  CHECK(free_run(*own.arena, block) == 13);
  CHECK(own.arena->resize(block, 1, old_pages) == Arena::Resize::NotARun);
}

TEST_CASE("growth in place charges the pages that making room for it turned clean") {
  for (const bool enough : {false, true}) {
    ArenaOfItsOwn own;
    // block of 4 | clean 4 | dirty 8 | dirty 16, and nothing left of the quota but what the dirty pages give.
    char* block = own.arena->allocate(32, 32).address;
    std::uint64_t old_pages = 0;
    REQUIRE(own.arena->resize(block, 4, old_pages) == Arena::Resize::Done);
    own.arena->purge();
    char* eight = own.arena->allocate(8, 8).address;
    char* sixteen = own.arena->allocate(16, 16).address;
    REQUIRE(eight == block + 8 * kPage);
    REQUIRE(sixteen == block + 16 * kPage);
    free_run(*own.arena, eight);
    free_run(*own.arena, sixteen);
    REQUIRE(own.committed() == 29 * kPage);
    own.arena->set_quota((enough ? 33 : 29) * kPage);

    const Arena::Resize expected = enough ? Arena::Resize::Done : Arena::Resize::Refused;
    CHECK(own.arena->resize(block, 32, old_pages) == expected);
    own.arena->purge();
    CHECK(own.committed() == (enough ? 33 : 5) * kPage);
  }
}

TEST_CASE("a span that is used up says so and can be used again") {
  ArenaOfItsOwn own(0, 16 * kMiB);
  std::vector<char*> blocks;
  while (char* block = own.arena->allocate(64, 1).address) blocks.push_back(block);
  CHECK(blocks.size() * 64 * kPage > 11 * kMiB);
  CHECK(own.arena->allocate(std::uint64_t{1} << 40, 1).address == nullptr);
  for (char* block : blocks) free_run(*own.arena, block);
  CHECK(own.arena->allocate(4 * kMiB / kPage, 1).address != nullptr);
}

TEST_CASE("a full span serves sizes that are no power of two out of its holes") {
  ArenaOfItsOwn own(0, 16 * kMiB);
  std::vector<char*> blocks;
  while (char* block = own.arena->allocate(9, 1).address) blocks.push_back(block);
  for (std::size_t each = 0; each < blocks.size(); each += 2) free_run(*own.arena, blocks[each]);
  for (std::size_t each = 0; each < blocks.size(); each += 2) REQUIRE(own.arena->allocate(9, 1).address != nullptr);
}

TEST_CASE("the published limit covers exactly the pages in use") {
  ArenaOfItsOwn own;
  CHECK(own.limit == Arena::kGapPages + 1);
  char* block = own.arena->allocate(1000, 1).address;
  const auto index = own.arena->pagemap().index(page_number(block));
  CHECK(own.limit == std::uint64_t{index} + 1);
  CHECK(own.arena->pagemap().word(page_number(block)) == page_word::make(PageKind::Run, 1000));
}
