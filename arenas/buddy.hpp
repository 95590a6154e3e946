// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Buddy: which runs of pages are free? The binary buddy system (Knowlton 1965; Knuth, TAOCP 1, 2.5): a free block is
// 2^order pages at a multiple of its size, and merges with its buddy when that is free as well. Two things differ from
// the textbook. What is handed out is trimmed to its pages, and the tail stays free (power-of-two blocks cost 30 % on a
// plugin's mix, page runs 4 %). And free memory has two states that do not mix, clean (no memory behind it) and dirty
// (kept ready), because the books count the one and not the other.
// The links lie in the pagemap, never in free memory ("metadata is out of line"). Split, merge and trim are O(log n).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "arenas/pagemap.hpp"

namespace berth::core {

enum class FreeState : std::uint8_t { Clean = 0, Dirty = 1 };

struct PageRun {
  PageNumber first = 0;  // 0: none
  std::uint64_t pages = 0;

  explicit operator bool() const noexcept { return first != 0; }
  PageNumber end() const noexcept { return first + pages; }
};

// Not thread-safe; the arena's lock guards the arena's, its owner that of a stock. It knows the pages between
// `lowest()` and its end.
class Buddy {
 public:
  // 2^34 pages are the 64 TiB that user space has at the most.
  static constexpr unsigned kOrders = 35;

  void open(const Pagemap& pagemap, PageNumber lowest) noexcept {
    pagemap_ = pagemap;
    lowest_ = lowest;
    end_ = pagemap.zeroth_page();
  }
  // For pages that nobody else frees or takes. Its free blocks, which are all Dirty, have a kind of their own in the
  // pagemap, so that nobody else's buddy merges with them.
  void open_apart(const Pagemap& pagemap, PageRun pages) noexcept {
    pagemap_ = pagemap;
    lowest_ = pages.first;
    end_ = pages.end();
    kinds_[slot(FreeState::Dirty)] = PageKind::Stock;
  }
  PageNumber lowest() const noexcept { return lowest_; }

  // Makes known that the pages from `lowest` up exist.
  void extend_down(PageNumber lowest) noexcept { lowest_ = lowest; }

  // Forgets the clean pages at the lower end; what is left begins at lowest().
  void retreat() noexcept;

  // Takes pages back, merging. They must not be the head of anything any more.
  void put(PageRun run, FreeState state) noexcept;

  // A run at a multiple of `alignment` pages (a power of two), out of free blocks of one state; none if there is no
  // block large enough.
  PageRun take(std::uint64_t pages, std::uint64_t alignment, FreeState state) noexcept;

  // Free pages, of either state and in several blocks, that lie side by side, from the start of a block on. Looks at up
  // to `tries` blocks of each list that such a hole must have a block of; O(tries * log n).
  PageRun find_hole(std::uint64_t pages, unsigned tries) const noexcept;

  // How many of the `pages` pages from `first` on are clean, if all of them are free; else false.
  bool is_free(PageRun run, std::uint64_t& clean_pages) const noexcept;

  // Takes exactly these pages; is_free() has said yes.
  void take_exactly(PageRun run) noexcept;

  // The largest free block of a state, taken; none if there is none.
  PageRun take_largest(FreeState state) noexcept;

  std::uint64_t free_pages(FreeState state) const noexcept { return free_pages_[slot(state)]; }

 private:
  static constexpr std::size_t slot(FreeState state) noexcept { return static_cast<std::size_t>(state); }

  std::uint64_t free_block_at(PageNumber first) const noexcept;
  std::uint64_t free_block_before(PageNumber end) const noexcept;
  PageRun hole_around(PageRun block, std::uint64_t pages) const noexcept;
  void push(PageNumber first, unsigned order, FreeState state) noexcept;
  void remove(PageNumber first, unsigned order, FreeState state) noexcept;
  void put_block(PageNumber first, unsigned order, FreeState state) noexcept;

  struct Lists {
    std::array<std::uint32_t, kOrders> heads{};  // indexes into the pagemap; 0: empty
    std::uint64_t occupied = 0;                  // bit per order
  };

  Pagemap pagemap_;
  PageNumber lowest_ = 0;
  PageNumber end_ = 0;
  std::array<PageKind, 2> kinds_{PageKind::Clean, PageKind::Dirty};  // by FreeState
  std::array<Lists, 2> lists_{};
  std::array<std::uint64_t, 2> free_pages_{};
};

}  // namespace berth::core
