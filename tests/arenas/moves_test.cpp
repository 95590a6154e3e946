// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Runs that grow: room behind them, memory that moves without being copied, and what that costs in the map table.
#include <sys/syscall.h>
#include <unistd.h>

#include <cstring>

#include "own_arena.hpp"
#include "support/process_view.hpp"
#include "support/sanitizers.hpp"

using namespace fixtures;
using berth::tests::kSanitized;
using berth::tests::ProcessView;

namespace {

constexpr std::uint64_t kPagesOfMiB = kMiB / kPage;

void write_numbers(char* address, std::uint64_t from, std::uint64_t pages) {
  for (std::uint64_t page = from; page < pages; ++page) std::memcpy(address + page * kPage + 8, &page, sizeof(page));
}

bool has_numbers(const char* address, std::uint64_t pages) {
  for (std::uint64_t page = 0; page < pages; ++page) {
    if (std::memcmp(address + page * kPage + 8, &page, sizeof(page)) != 0) return false;
  }
  return true;
}

bool is_zero(const char* address, std::uint64_t pages) {
  return *address == 0 && std::memcmp(address, address + 1, pages * kPage - 1) == 0;
}

// A written run, and what keeps it from growing where it is.
struct Enclosed {
  explicit Enclosed(Arena& arena, std::uint64_t pages) : size(pages) {
    address = arena.allocate_to_grow(pages).address;
    REQUIRE(address != nullptr);
    write_numbers(address, 0, pages);
    enclose(arena);
  }
  // Takes the room behind the run.
  void enclose(Arena& arena) {
    std::uint64_t old_pages = 0;
    std::uint64_t all = size;
    while (arena.resize(address, all + 1, old_pages) == Arena::Resize::Done) ++all;
    REQUIRE(arena.resize(address, size, old_pages) == Arena::Resize::Done);
    arena.purge();
    if (all > size) REQUIRE(arena.allocate(all - size, 1).address == address + size * kPage);
  }
  char* address;
  std::uint64_t size;
};

}  // namespace

TEST_CASE("a run that is to grow grows in place three times over") {
  ArenaOfItsOwn own(0, 256 * kMiB, pal::Access::None, HugePagePolicy::Never);
  for (const std::uint64_t pages : {1u, 9u, 100u, 700u}) {
    char* const block = own.arena->allocate_to_grow(pages).address;
    REQUIRE(block != nullptr);
    const std::size_t before = own.committed();
    std::uint64_t old_pages = 0;
    CHECK(own.arena->resize(block, 4 * pages, old_pages) == Arena::Resize::Done);
    CHECK(own.committed() == before + 3 * pages * kPage);
  }
}

TEST_CASE("a run that is to grow takes ready pages first") {
  ArenaOfItsOwn own(0, 256 * kMiB, pal::Access::None, HugePagePolicy::Never);
  free_run(*own.arena, own.arena->allocate(64, 64).address);
  const std::size_t before = own.committed();
  const Arena::Allocation run = own.arena->allocate_to_grow(40);
  CHECK_FALSE(run.zero);
  CHECK(own.committed() == before);
}

TEST_CASE("memory moves with what it holds, and the books count each page once") {
  const pal::Access access = GENERATE(pal::Access::None, pal::Access::ReadWrite);
  ArenaOfItsOwn own(0, 256 * kMiB, access, HugePagePolicy::Never);
  Enclosed run(*own.arena, 2 * kPagesOfMiB);
  const std::size_t committed = own.committed();
  const std::size_t resident = ProcessView::now().resident_bytes;
  char* const moved = own.arena->relocate(run.address, 3 * kPagesOfMiB, false);
  REQUIRE(moved != nullptr);
  CHECK(moved != run.address);
  CHECK(has_numbers(moved, run.size));
  // The new pages, and books of the place. Before anything else is read: some kernels count what was only read.
  CHECK(own.committed() <= committed + kMiB + 16 * kPage);
  if (!kSanitized) CHECK(ProcessView::now().resident_bytes <= resident + kMiB + 64 * kPage);
  CHECK(is_zero(moved + run.size * kPage, kPagesOfMiB));
  CHECK(is_zero(run.address, run.size));
  CHECK(own.arena->pagemap().word(page_number(run.address)) != page_word::make(PageKind::Run, run.size));
  CHECK(free_run(*own.arena, moved) == 3 * kPagesOfMiB);
}

TEST_CASE("moved runs give their entries of the map table back") {
  ArenaOfItsOwn own(0, 256 * kMiB, pal::Access::None, HugePagePolicy::Never);
  const auto entries = [] { return ProcessView::now().map_entries; };
  // The window grows to what the test needs first.
  free_run(*own.arena, own.arena->allocate(100 * kPagesOfMiB, 1).address);
  own.arena->purge();
  Enclosed run(*own.arena, kPagesOfMiB);
  const std::size_t before = entries();
  char* address = run.address;
  for (int move = 0; move < 3; ++move) {
    CAPTURE(move);
    const std::uint64_t larger = run.size + run.size / 2;
    run.address = own.arena->relocate(run.address, larger, false);
    REQUIRE(run.address != nullptr);
    CHECK(has_numbers(run.address, run.size));
    write_numbers(run.address, run.size, larger);
    run.size = larger;
    // Grown in place after the move: what is moved next lies in several entries.
    std::uint64_t old_pages = 0;
    REQUIRE(own.arena->resize(run.address, larger + 37, old_pages) == Arena::Resize::Done);
    write_numbers(run.address, larger, larger + 37);
    run.size = larger + 37;
    CHECK(entries() > before);
    CHECK(entries() <= before + 2 * static_cast<std::size_t>(move + 1));
  }
  CHECK(address != run.address);
  SECTION("when they are freed") { CHECK(free_run(*own.arena, run.address) == run.size); }
  SECTION("when they shrink to nothing much") {
    std::uint64_t old_pages = 0;
    REQUIRE(own.arena->resize(run.address, 3, old_pages) == Arena::Resize::Done);
    CHECK(has_numbers(run.address, 3));
    CHECK(own.arena->resize(run.address, 20, old_pages) == Arena::Resize::Done);
    CHECK(is_zero(run.address + 3 * kPage, 17));
    CHECK(free_run(*own.arena, run.address) == 20);
  }
  CHECK(entries() <= before);
}

TEST_CASE("a move needs no quota for what moves, and none beyond it") {
  std::size_t needed = 0;  // learnt from an arena without a quota
  for (const std::size_t less : {std::size_t{0}, std::size_t{0}, kPage}) {
    ArenaOfItsOwn own(0, 256 * kMiB, pal::Access::None, HugePagePolicy::Never);
    Enclosed run(*own.arena, 8 * kPagesOfMiB);
    CHECK(needed <= own.committed() + kMiB + 32 * kPage);
    if (needed != 0) own.arena->set_quota(needed - less);
    char* const moved = own.arena->relocate(run.address, 9 * kPagesOfMiB, false);
    CHECK((moved != nullptr) == (less == 0));
    CHECK(has_numbers(moved != nullptr ? moved : run.address, run.size));
    if (needed != 0) CHECK(own.arena->counts().peak_committed_bytes <= needed - less);
    needed = own.committed();
  }
}

TEST_CASE("small runs, shrinking and what is no run are not moved") {
  ArenaOfItsOwn own(0, 256 * kMiB, pal::Access::None, HugePagePolicy::Never);
  char* const small = own.arena->allocate(4, 4).address;
  CHECK(own.arena->relocate(small, 1000, false) == nullptr);
  char* const large = own.arena->allocate(4 * kPagesOfMiB, 1).address;
  CHECK(own.arena->relocate(large, 4 * kPagesOfMiB, false) == nullptr);
  CHECK(own.arena->relocate(large + kPage, 5 * kPagesOfMiB, false) == nullptr);
}

TEST_CASE("locked pages are not moved: that would unlock others") {
  ArenaOfItsOwn own(0, 256 * kMiB, pal::Access::None, HugePagePolicy::Never);
  Enclosed run(*own.arena, kPagesOfMiB);
  char* const lowest = own.arena->allocate(16 * kPagesOfMiB, 512).address;
  free_run(*own.arena, lowest);
  own.arena->purge();
  // The system call itself: sanitizers make mlock do nothing.
  if (syscall(SYS_mlock, lowest, own.top() - lowest) != 0) {
    WARN("this user may not lock so much");
    return;
  }
  CHECK(own.arena->relocate(run.address, 2 * kPagesOfMiB, false) == nullptr);
  CHECK(has_numbers(run.address, run.size));
}
