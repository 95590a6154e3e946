// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Kept runs: large blocks that were freed a moment ago, with their memory, in pieces as large as they came. The buddy
// would cut them at its powers of two, and what comes next would find no piece that is large enough: of a mix of 4 KiB
// to 4 MiB two thirds of all pages were given back and asked for again. Here neighbours merge at any page, a request
// gets the smallest piece that fits, and what has been here longest leaves first.
//
// Nothing of it lies in the pages ("metadata is out of line"). The words of a run's first and last page say Parting,
// the size, and which end they are; the aux words of the first three are the record:
//
//     first page       neighbours in the list of its size:  next << 32 | previous, indexes into the pagemap, 0: none
//     second page      neighbours by age:                   older << 32 | younger
//     third page       when it came, or last grew, in milliseconds
#pragma once

#include <array>
#include <cstdint>

#include "arenas/buddy.hpp"
#include "arenas/pagemap.hpp"

namespace berth::core {

// Not thread-safe; the arena's lock guards it. All zero is valid and empty.
class KeptRuns {
 public:
  static constexpr std::uint64_t kLeastPages = 16;  // a smaller run is the buddy's

  std::uint64_t pages() const noexcept { return pages_; }

  // Merges with neighbours that are here already; the whole counts as having come now. `lowest`: of the pagemap's
  // pages.
  void put(const Pagemap& pagemap, PageNumber lowest, PageRun run, std::uint64_t now) noexcept;

  // Pages at a multiple of `alignment`, the first such ones of the smallest run that has so many, of those that were
  // looked at; none if there are none. What is left of it before and behind them stays as old as it is, if it is large
  // enough; else it is in `rests` and the caller's.
  PageRun take(const Pagemap& pagemap, std::uint64_t pages, std::uint64_t alignment,
               std::array<PageRun, 2>& rests) noexcept;

  // Calls `use` with up to kTries runs of at least so many pages, the large ones first, until it says true: then it may
  // have taken that one.
  template <typename Use>
  void visit(const Pagemap& pagemap, std::uint64_t least, Use use) const noexcept {
    unsigned left = kTries;
    for (unsigned list = kLists; list-- > list_of(least);) {
      for (std::uint32_t index = heads_[list]; index != 0 && left > 0; --left) {
        const PageNumber first = pagemap.page(index);
        index = static_cast<std::uint32_t>(pagemap.at(index).aux >> 32);
        const PageRun run{first, page_word::value(pagemap.word(first))};
        if (run.pages >= least && use(run)) return;
      }
    }
  }

  // The run that begins in this page, taken whole; none if none does.
  PageRun take_at(const Pagemap& pagemap, PageNumber first) noexcept;

  // The run that has been here longest, and since when; none if there is none.
  PageRun oldest(const Pagemap& pagemap, std::uint64_t& since) const noexcept;

  // The first pages of it, or all if it has no more, or too little would be left.
  PageRun take_oldest(const Pagemap& pagemap, std::uint64_t pages) noexcept;

 private:
  static constexpr unsigned kLists = 8;  // by doublings from kLeastPages on; the last has all that are larger
  static constexpr unsigned kTries = 64;

  static unsigned list_of(std::uint64_t pages) noexcept;
  void insert(const Pagemap& pagemap, PageRun run, std::uint64_t since, std::uint32_t older) noexcept;
  void remove(const Pagemap& pagemap, PageRun run) noexcept;

  std::array<std::uint32_t, kLists> heads_{};  // indexes into the pagemap; 0: empty
  std::uint32_t oldest_ = 0;
  std::uint32_t youngest_ = 0;
  std::uint64_t pages_ = 0;
};

}  // namespace berth::core
