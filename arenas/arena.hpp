// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Arena: hands out runs of pages of one span and takes them back, within a quota, with exact books ("commit is
// accounted").
//
// Committed is what is handed out, what is free but kept ready, and the books' own pages. Pages never used and pages
// given back (clean) are not. The policy for empty memory ("empty memory goes back"), in arena_ready.cpp:
//
//   by bytes   large blocks that were freed are kept whole (kept_runs.hpp) until they and all that is ready exceed a
//              third of what is in use and 4 MiB: then what came first goes. Other free pages stay ready up to an
//              eighth of what is committed and 4 MiB: then the largest go, until half of that is left. Where what went
//              back is asked for again, the 4 MiB grow by as much, to 32 MiB at the most: so a large block that comes
//              and goes costs system calls once.
//   by age     what nobody has asked for within a second goes when the next call comes by: one that comes to the arena
//              anyway, or give_back_idle(). No thread looks after it.
//   before the quota or the system refuses, as much goes as is needed; with purge() everything, now, and the 4 MiB are
//              4 MiB again.
//
// Huge pages (arena_huge_pages.cpp) are committed, and go back, as a whole.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "arenas/buddy.hpp"
#include "arenas/kept_runs.hpp"
#include "arenas/pagemap.hpp"
#include "arenas/pal/lock.hpp"
#include "arenas/span.hpp"

namespace berth::core {

// Memory committed by all arenas of this process.
std::size_t process_committed_bytes() noexcept;

// How long empty memory stays that nobody asks for, in all arenas of this process.
inline constexpr std::uint32_t kDefaultIdleAge = 1000;
void set_idle_age(std::uint32_t milliseconds) noexcept;

enum class HugePagePolicy : std::uint8_t { Auto, Never, Always };

class Arena {
 public:
  // Where things lie in the span; the allocator decides (allocator/layout.hpp).
  struct Geometry {
    char* floor;              // lowest address of blocks
    char* top;                // pages end here, books begin
    char* zeroth_page;        // a page of the books, the one that entry 0 of the pagemap stands for
    PageEntry* zeroth_entry;  // above all other books
    char* ceiling;            // the pagemap may grow to here
  };

  // Pages below top that are never handed out: an overrun of the topmost block hits nobody's books.
  static constexpr std::uint64_t kGapPages = 1;

  struct Allocation {
    char* address = nullptr;
    bool zero = false;  // reads as zero
  };

  static constexpr std::uint64_t kReadyPages = (std::size_t{4} << 20) / pal::kPageSize;
  // As glibc's limit for its threshold of mmap, which grows in the same way.
  static constexpr std::uint64_t kMostReadyPages = (std::size_t{32} << 20) / pal::kPageSize;

  struct Counts {
    std::size_t committed_bytes;
    std::size_t peak_committed_bytes;
    std::size_t quota_bytes;
  };

  // The window of the span is open. `page_limit` is where the arena publishes the first index of the pagemap that
  // must not be read: beyond it entries are not accessible, or are none of the books any more.
  void open(Span&& span, const Geometry& geometry, std::size_t quota_bytes, HugePagePolicy huge_pages,
            std::atomic<std::uint64_t>& page_limit) noexcept;

  // Takes the span out, for the release; the arena itself lies in it.
  Span close() noexcept;

  // Pages at a multiple of `alignment` pages. The first entry of the pagemap says Run. Null: quota, span or system.
  Allocation allocate(std::uint64_t pages, std::uint64_t alignment) noexcept;

  // The same for a run that is expected to grow: where it can be had cheaply, free pages follow it.
  Allocation allocate_to_grow(std::uint64_t pages) noexcept;

  // Gives a run back, of `pages` pages. False, and nothing happened: the address is not in the first page of a run.
  // A large block is worth keeping in one piece: the next one will not be smaller. A slab's pages are for any slab.
  enum class Use : std::uint8_t { Slab, LargeBlock };
  bool deallocate(char* address, std::uint64_t& pages, Use use = Use::Slab) noexcept;

  enum class Resize : std::uint8_t { Done, Refused, NotARun };
  // Grows or shrinks a run where it is. Growth is refused if what follows is not free or the quota does not allow it.
  // `old_pages` tells the size before, whatever the answer.
  Resize resize(char* address, std::uint64_t pages, std::uint64_t& old_pages) noexcept;

  // Makes a run larger at another place, to which its memory moves without being copied; as with allocate_to_grow(),
  // free pages follow. Null, and the run is what it was: it is too small to be worth it, or there are no pages, no
  // quota or no entries in the system's map table for it. `to_huge_pages`: only if it would grow into small ones, and
  // then only there.
  char* relocate(char* address, std::uint64_t pages, bool to_huge_pages) noexcept;

  // Gives all free pages back to the system, and the books' pages that only described free ones at the lower end. The
  // free rests of huge pages in use stay, as long as they are no more than a 32nd of what is committed.
  void purge() noexcept;

  // Gives back what is over age. tend(): if it is time to look again, which costs a look at the clock. Not for threads
  // that may not wait.
  void give_back_idle() noexcept;
  void tend() noexcept;

  // Books outside the window: made accessible as a range, charged by the page when one is used.
  bool make_accessible(char* low, char* high) noexcept;
  bool charge_books(std::uint64_t pages) noexcept;
  void discharge_books(std::uint64_t pages) noexcept;

  // Makes pages of a run, whatever their protection, accessible and one map entry with their neighbours again; their
  // contents are lost. False: nothing was changed.
  bool renew(char* address, std::uint64_t pages) noexcept;

  // For the fork handlers, in the child: what the process has committed and moved is what its arenas count, one by one
  // from zero. Those that the fork cut off are not among them.
  static void forget_counts() noexcept;
  void count_again() const noexcept;

  // Runs of all arenas that have entries of their own in the system's map table.
  static std::uint32_t moved_runs_of_process() noexcept;

  void set_quota(std::size_t bytes) noexcept;
  Counts counts() const noexcept;

  const Pagemap& pagemap() const noexcept { return pagemap_; }
  PageNumber lowest_page() noexcept;
  // Whether a page below top was ever one of the arena's, in use or not: from this page up. [any thread]
  PageNumber lowest_page_ever() const noexcept { return lowest_ever_.load(std::memory_order_relaxed); }
  PageNumber top_page() const noexcept { return page_number(geometry_.top); }
  char* base() const noexcept { return span_.base(); }
  std::size_t span_bytes() const noexcept { return span_.bytes(); }
  pal::Lock& lock() noexcept { return lock_; }

 private:
  // A run's entry of the pagemap: its size, and how many pages from its first one on were moved there, or lie between
  // such pages.
  void set_run(PageRun run, std::uint64_t moved) noexcept;
  std::uint64_t moved_pages(PageNumber first) const noexcept;

  PageRun take(std::uint64_t pages, std::uint64_t alignment, bool& zero) noexcept;
  PageRun take_hole(std::uint64_t pages, unsigned tries, bool& zero) noexcept;
  bool take_free(PageRun run, std::uint64_t& clean) noexcept;
  PageRun take_with_room(std::uint64_t pages, std::uint64_t more) noexcept;
  PageRun carve(std::uint64_t pages, std::uint64_t alignment, std::uint64_t more) noexcept;
  PageRun carve_aligned(std::uint64_t pages, std::uint64_t alignment, std::uint64_t more) noexcept;
  bool extend(PageNumber first, std::uint64_t more) noexcept;
  void set_limit(PageNumber lowest) noexcept;
  bool commit(PageRun run) noexcept;
  bool renew(PageRun run) noexcept;
  bool take_back(PageRun run, std::uint64_t moved, Use use) noexcept;
  PageRun relocate_run(PageRun old, std::uint64_t pages, bool to_huge_pages) noexcept;
  void count_moved_runs(std::int32_t change) noexcept;
  static void forget_moved_runs() noexcept;
  void count_moved_runs_again() const noexcept;

  bool may_begin_huge_pages(std::uint64_t more) const noexcept;
  bool reach_huge_pages(std::uint64_t pages, std::uint64_t more) noexcept;
  void stop_huge_pages() noexcept;
  void ask_small_pages() noexcept;
  PageRun& packing(std::uint64_t alignment) noexcept { return packing_[alignment == 1 ? 0 : 1]; }
  PageRun take_packed(std::uint64_t pages, std::uint64_t alignment) noexcept;
  PageRun carve_packed(std::uint64_t pages) noexcept;
  void pack_into(PageRun ready, std::uint64_t alignment) noexcept;
  void end_packing(PageRun& left) noexcept;
  std::uint64_t rest_of_huge_page(PageNumber end) const noexcept;
  PageRun clean_part(PageRun run) const noexcept;
  std::uint64_t put_clean(PageRun run) noexcept;

  std::uint64_t ready_pages() const noexcept { return kept_.pages() + buddy_.free_pages(FreeState::Dirty); }
  PageRun take_kept(std::uint64_t pages, std::uint64_t alignment) noexcept;
  PageRun take_kept_and_more(std::uint64_t pages) noexcept;
  bool make_room(std::uint64_t pages) noexcept;
  std::uint64_t give_back(std::uint64_t keep, std::uint64_t tolerated) noexcept;
  std::uint64_t give_back_rests(std::uint64_t keep, std::uint64_t tolerated) noexcept;
  std::uint64_t give_back_kept(std::uint64_t keep) noexcept;
  std::uint64_t give_back_run(PageRun run) noexcept;
  void limit_ready() noexcept;
  void note_rests() noexcept;
  void give_back_idle_at(std::uint64_t now) noexcept;
  void note_commit(std::uint64_t pages) noexcept;
  void charge(std::uint64_t pages) noexcept;
  void discharge(std::uint64_t pages) noexcept;

  pal::Lock lock_{pal::LockRank::Arena};  // guards everything below
  Span span_;
  Pagemap pagemap_;
  Buddy buddy_;
  KeptRuns kept_;
  Geometry geometry_{};
  std::uint64_t books_pages_ = 0;  // of the window
  // Below this page memory is committed in whole huge pages; 0: nowhere. And from how many committed pages on it may
  // be.
  PageNumber huge_top_ = 0;
  // Ready pages of a huge one for the next runs without and with an alignment; never used before. The buddy does not
  // know them.
  std::array<PageRun, 2> packing_{};
  std::uint64_t next_huge_pages_ = 0;
  HugePagePolicy huge_pages_ = HugePagePolicy::Auto;
  bool small_pages_asked_ = false;  // for the span, but for what lies below huge_top_
  // How many free pages stay ready in any case, and how many went back for being more and were not asked for again.
  std::uint64_t ready_least_ = kReadyPages;
  std::uint64_t gone_pages_ = 0;
  // How often ready pages became clean, for those that have looked at free pages before.
  std::uint64_t times_given_ = 0;
  // Ready pages of the buddy's have no age each: how few there have been since when, and when they changed last.
  std::uint64_t rests_ = 0;
  std::uint64_t fewest_rests_ = 0;
  std::uint64_t fewest_since_ = 0;
  std::uint64_t rests_changed_ = 0;
  // When to look for what is over age. Written under the lock, read by whoever comes by, relaxed: a hint.
  std::atomic<std::uint64_t> next_look_{0};
  std::uint32_t moved_runs_ = 0;  // runs, or what is left of them, that have entries of their own in the map table
  std::atomic<std::uint64_t>* page_limit_ = nullptr;
  // Written under the lock, read by who describes an address, relaxed: a number that stands for itself.
  std::atomic<PageNumber> lowest_ever_{0};
  // Written under the lock, read by statistics without it, relaxed.
  std::atomic<std::uint64_t> committed_pages_{0};
  std::atomic<std::uint64_t> peak_committed_pages_{0};
  std::atomic<std::size_t> quota_bytes_{0};
};

}  // namespace berth::core
