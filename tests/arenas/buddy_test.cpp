// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
#include "arenas/buddy.hpp"

#include <bit>
#include <map>
#include <memory>
#include <random>
#include <vector>

#include "support/catch.hpp"
#include "support/seed.hpp"

using namespace berth::core;

namespace {

// A buddy allocator over numbered pages without memory: it touches the pagemap alone.
class PagesWithoutMemory {
 public:
  static constexpr PageNumber kTop = 1u << 20;

  explicit PagesWithoutMemory(std::uint64_t pages)
      : entries_(std::make_unique<PageEntry[]>(pages + 1)),
        pagemap_(entries_.get(), reinterpret_cast<char*>(kTop << berth::pal::kPageShift)) {
    buddy.open(pagemap_, kTop - pages);
    buddy.put({kTop - pages, pages}, FreeState::Clean);
  }

  // Every page between lowest and top belongs to exactly one free block or to none; heads alone are marked.
  std::uint64_t count_free(FreeState state) const {
    const PageKind kind = state == FreeState::Clean ? PageKind::Clean : PageKind::Dirty;
    std::uint64_t pages = 0;
    for (PageNumber page = buddy.lowest(); page < kTop; ++page) {
      const std::uint64_t word = pagemap_.word(page);
      if (page_word::kind(word) == kind) {
        const std::uint64_t size = std::uint64_t{1} << page_word::value(word);
        REQUIRE(page % size == 0);
        pages += size;
      }
    }
    return pages;
  }

 private:
  std::unique_ptr<PageEntry[]> entries_;
  Pagemap pagemap_;

 public:
  Buddy buddy;
};

}  // namespace

TEST_CASE("a run is trimmed to its pages and the tail stays free") {
  PagesWithoutMemory pages(64);
  const PageRun run = pages.buddy.take(5, 1, FreeState::Clean);
  REQUIRE(run);
  CHECK(run.pages == 5);
  CHECK(pages.buddy.free_pages(FreeState::Clean) == 59);
  CHECK(pages.count_free(FreeState::Clean) == 59);
  std::uint64_t clean = 0;
  CHECK(pages.buddy.is_free({run.end(), 3}, clean));
  CHECK(clean == 3);
}

TEST_CASE("what comes back merges to what it was") {
  PagesWithoutMemory pages(1024);
  std::vector<PageRun> runs;
  while (const PageRun run = pages.buddy.take(3, 1, FreeState::Clean)) runs.push_back(run);
  CHECK(runs.size() >= 256);
  for (const PageRun& run : runs) pages.buddy.put(run, FreeState::Clean);
  CHECK(pages.buddy.free_pages(FreeState::Clean) == 1024);
  CHECK(pages.buddy.take(1024, 1, FreeState::Clean));
}

TEST_CASE("clean and dirty pages do not merge") {
  PagesWithoutMemory pages(16);
  const PageRun first = pages.buddy.take(8, 1, FreeState::Clean);
  pages.buddy.put(first, FreeState::Dirty);
  CHECK(pages.buddy.free_pages(FreeState::Clean) == 8);
  CHECK(pages.buddy.free_pages(FreeState::Dirty) == 8);
  CHECK_FALSE(pages.buddy.take(16, 1, FreeState::Clean));
  CHECK_FALSE(pages.buddy.take(16, 1, FreeState::Dirty));
  CHECK(pages.buddy.take_largest(FreeState::Dirty).pages == 8);
}

TEST_CASE("alignment holds for every power of two") {
  for (std::uint64_t alignment = 1; alignment <= 512; alignment *= 2) {
    PagesWithoutMemory pages(2048);
    for (std::uint64_t size : {1u, 3u, 17u}) {
      const PageRun run = pages.buddy.take(size, alignment, FreeState::Clean);
      REQUIRE(run);
      CHECK(run.first % alignment == 0);
    }
  }
}

TEST_CASE("a run grows over what follows, of either state, and no further") {
  PagesWithoutMemory pages(64);
  const PageRun run = pages.buddy.take(4, 1, FreeState::Clean);
  const PageRun next = pages.buddy.take(4, 1, FreeState::Clean);
  REQUIRE(next.first == run.end());
  std::uint64_t clean = 0;
  CHECK_FALSE(pages.buddy.is_free({run.end(), 1}, clean));
  pages.buddy.put(next, FreeState::Dirty);
  REQUIRE(pages.buddy.is_free({run.end(), 7}, clean));
  CHECK(clean == 3);
  pages.buddy.take_exactly({run.end(), 7});
  CHECK(pages.buddy.free_pages(FreeState::Dirty) == 0);
  CHECK(pages.buddy.free_pages(FreeState::Clean) == 64 - 11);
  CHECK(pages.count_free(FreeState::Clean) == 64 - 11);
}

TEST_CASE("a hole between neighbours serves a run of its own size again, wherever it lies") {
  for (const std::uint64_t size : {3u, 9u, 10u, 13u, 17u, 33u}) {
    for (std::uint64_t shift = 0; shift < 17; ++shift) {
      PagesWithoutMemory pages(256);
      const PageRun everything = pages.buddy.take(256, 1, FreeState::Clean);
      REQUIRE(everything);
      const PageRun hole{everything.first + shift, size};
      const FreeState state = shift % 2 == 0 ? FreeState::Clean : FreeState::Dirty;
      pages.buddy.put(hole, state);
      CHECK_FALSE(pages.buddy.find_hole(size + 1, 100));
      const PageRun found = pages.buddy.find_hole(size, 100);
      REQUIRE(found);
      CHECK(found.first == hole.first);
      std::uint64_t clean = 0;
      REQUIRE(pages.buddy.is_free(found, clean));
      CHECK(clean == (state == FreeState::Clean ? size : 0));
      pages.buddy.take_exactly(found);
      CHECK(pages.buddy.free_pages(FreeState::Clean) + pages.buddy.free_pages(FreeState::Dirty) == 0);
    }
  }
}

TEST_CASE("random takes and puts keep the books and never overlap") {
  std::mt19937_64 random(berth::tests::seed());
  constexpr std::uint64_t kPages = 4096;
  PagesWithoutMemory pages(kPages);
  std::map<PageNumber, std::uint64_t> taken;
  std::uint64_t taken_pages = 0;
  for (int step = 0; step < 20000; ++step) {
    if (random() % 2 == 0) {
      const std::uint64_t size = 1 + random() % 60;
      const std::uint64_t alignment = std::uint64_t{1} << random() % 5;
      PageRun run = pages.buddy.take(size, alignment, FreeState::Dirty);
      if (!run) run = pages.buddy.take(size, alignment, FreeState::Clean);
      if (!run) continue;
      REQUIRE(run.first % alignment == 0);
      REQUIRE(run.pages == size);
      const auto after = taken.lower_bound(run.first);
      if (after != taken.end()) REQUIRE(run.end() <= after->first);
      if (after != taken.begin()) REQUIRE(std::prev(after)->first + std::prev(after)->second <= run.first);
      taken[run.first] = run.pages;
      taken_pages += size;
    } else if (!taken.empty()) {
      auto chosen = taken.lower_bound(PagesWithoutMemory::kTop - kPages + random() % kPages);
      if (chosen == taken.end()) chosen = taken.begin();
      taken_pages -= chosen->second;
      pages.buddy.put({chosen->first, chosen->second}, random() % 3 == 0 ? FreeState::Clean : FreeState::Dirty);
      taken.erase(chosen);
    }
    REQUIRE(pages.buddy.free_pages(FreeState::Clean) + pages.buddy.free_pages(FreeState::Dirty) ==
            kPages - taken_pages);
  }
  CHECK(pages.count_free(FreeState::Clean) == pages.buddy.free_pages(FreeState::Clean));
  CHECK(pages.count_free(FreeState::Dirty) == pages.buddy.free_pages(FreeState::Dirty));
}
