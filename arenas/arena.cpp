// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
#include "arenas/arena.hpp"

#include <algorithm>
#include <limits>
#include <utility>

#include "arenas/asan.hpp"
#include "arenas/assert.hpp"

namespace berth::core {

namespace {

// The share of the committed pages that a purge leaves in parts of huge pages.
constexpr std::uint64_t kHugeRests = 32;

// How many free blocks of each kind are looked at for a hole before new pages are used.
constexpr unsigned kHoleTries = 4;

// How far the window runs ahead of what is used: a quarter, so that growing to n pages takes O(log n) calls.
constexpr std::size_t kWindowStep = std::size_t{256} << 10;
constexpr std::size_t kBooksStep = std::size_t{16} << 10;

// Written by whoever commits, relaxed: a number that is read for its own sake.
constinit std::atomic<std::size_t> committed_by_all{0};

std::size_t bytes(std::uint64_t pages) noexcept { return static_cast<std::size_t>(pages) * pal::kPageSize; }

}  // namespace

std::size_t process_committed_bytes() noexcept { return committed_by_all.load(std::memory_order_relaxed); }

void Arena::open(Span&& span, const Geometry& geometry, std::size_t quota_bytes, HugePagePolicy huge_pages,
                 std::atomic<std::uint64_t>& page_limit) noexcept {
  span_ = std::move(span);
  asan::open_span(span_.base(), span_.bytes());
  huge_pages_ = huge_pages;
  small_pages_asked_ = span_.small_pages_asked();
  geometry_ = geometry;
  pagemap_ = Pagemap(geometry.zeroth_entry, geometry.zeroth_page);
  page_limit_ = &page_limit;
  quota_bytes_.store(quota_bytes, std::memory_order_relaxed);
  const PageNumber lowest = top_page() - kGapPages;
  buddy_.open(pagemap_, lowest);
  pagemap_.set_word(lowest, page_word::make(PageKind::Fixed, kGapPages));
  books_pages_ = pages_for(static_cast<std::size_t>(pagemap_.end_of_entries(lowest) - geometry.top));
  lowest_ever_.store(lowest, std::memory_order_relaxed);
  set_limit(lowest);
  charge(books_pages_);
}

Span Arena::close() noexcept {
  asan::unpoison(span_.window_low(), static_cast<std::size_t>(geometry_.top - span_.window_low()));
  asan::close_span(span_.base(), span_.bytes());
  count_moved_runs(-static_cast<std::int32_t>(moved_runs_));
  committed_by_all.fetch_sub(bytes(committed_pages_.load(std::memory_order_relaxed)), std::memory_order_relaxed);
  return std::move(span_);
}

void Arena::forget_counts() noexcept {
  committed_by_all.store(0, std::memory_order_relaxed);
  forget_moved_runs();
}

void Arena::count_again() const noexcept {
  committed_by_all.fetch_add(bytes(committed_pages_.load(std::memory_order_relaxed)), std::memory_order_relaxed);
  count_moved_runs_again();
}

Arena::Allocation Arena::allocate(std::uint64_t pages, std::uint64_t alignment) noexcept {
  const pal::LockGuard held(lock_);
  bool zero = false;
  const PageRun run = take(pages, alignment, zero);
  if (!run) return {};
  set_run(run, 0);
  note_rests();
  return {page_address(run.first), zero};
}

// Ready pages first, because they cost nothing, small runs not those that are kept for large ones; then clean ones;
// then a hole of several blocks; then pages never used; last, everything free is made clean, so that neighbours of
// different states merge, and every hole is looked at.
PageRun Arena::take(std::uint64_t pages, std::uint64_t alignment, bool& zero) noexcept {
  if (pages > span_.bytes() >> pal::kPageShift || alignment > span_.bytes() >> pal::kPageShift) return {};
  zero = true;
  if (alignment == 1) {
    if (const PageRun run = take_packed(pages, 1)) return run;
  }
  zero = false;
  const bool large = pages >= KeptRuns::kLeastPages;
  if (alignment == 1 && large) {
    if (const PageRun run = take_kept(pages, 1)) return run;
    if (const PageRun run = take_kept_and_more(pages)) return run;
  }
  if (const PageRun run = buddy_.take(pages, alignment, FreeState::Dirty)) return run;
  if (alignment == 1) {
    if (const PageRun run = take_hole(pages, kHoleTries, zero)) return run;
    zero = false;
  }
  if (const PageRun run = alignment == 1 && large ? PageRun{} : take_kept(pages, alignment)) return run;
  zero = true;
  if (alignment != 1) {
    if (const PageRun run = take_packed(pages, alignment)) return run;
  }
  if (!make_room(pages)) return {};
  PageRun run = buddy_.take(pages, alignment, FreeState::Clean);
  if (!run) {
    if (alignment == 1) run = carve_packed(pages);
    if (run) return run;
    run = carve(pages, alignment, pages);
  }
  if (!run) {
    give_back(0, 0);
    run = buddy_.take(pages, alignment, FreeState::Clean);
  }
  if (run && commit(run)) {
    pack_into({run.end(), rest_of_huge_page(run.end())}, alignment);
    return run;
  }
  return alignment == 1 ? take_hole(pages, ~0u, zero) : PageRun{};
}

// Adjacent free blocks that no power of two joins.
PageRun Arena::take_hole(std::uint64_t pages, unsigned tries, bool& zero) noexcept {
  for (;;) {
    const std::uint64_t times_given = times_given_;
    const PageRun hole = buddy_.find_hole(pages, tries);
    std::uint64_t clean = 0;
    if (!hole) return {};
    if (take_free(hole, clean)) {
      zero = clean == pages;
      return hole;
    }
    // Making room may have moved the hole's blocks.
    if (times_given_ == times_given) return {};
  }
}

// Takes these pages and commits those which are clean. False: not all are free, or quota or system do not allow it.
bool Arena::take_free(PageRun run, std::uint64_t& clean) noexcept {
  for (;;) {
    if (!buddy_.is_free(run, clean)) return false;
    // If the last page is clean, so is the rest of its huge page.
    PageRun all{run.first, run.pages + rest_of_huge_page(run.end())};
    std::uint64_t all_clean = 0;
    if (!buddy_.is_free(all, all_clean) || all_clean - clean != all.pages - run.pages) {
      all = run;
      all_clean = clean;
    }
    // Making room may turn some of these very pages clean: count them anew until nothing changes.
    const std::uint64_t times_given = times_given_;
    if (!make_room(all_clean)) {
      if (all.pages == run.pages) return false;
      stop_huge_pages();
      continue;
    }
    if (times_given_ != times_given) continue;
    if (!pal::recommit(page_address(all.first), bytes(all.pages))) return false;
    buddy_.take_exactly(all);
    note_commit(all_clean);
    charge(all_clean);
    buddy_.put({run.end(), all.pages - run.pages}, FreeState::Dirty);
    return true;
  }
}

// Takes pages that were never used, from the lowest used one down; of clean pages, `more` are to be committed.
PageRun Arena::carve(std::uint64_t pages, std::uint64_t alignment, std::uint64_t more) noexcept {
  const bool huge = reach_huge_pages(pages, more);
  PageRun run = carve_aligned(pages, huge ? std::max(alignment, pal::kHugePages) : alignment, more);
  if (!run && huge && pages == more) {
    stop_huge_pages();  // whose rounding may have been too much
    run = carve_aligned(pages, alignment, more);
  }
  return run;
}

PageRun Arena::carve_aligned(std::uint64_t pages, std::uint64_t alignment, std::uint64_t more) noexcept {
  const PageNumber used = buddy_.lowest();
  const PageNumber floor = page_number(geometry_.floor);
  if (used - floor < pages) return {};
  const PageNumber first = (used - pages) & ~(alignment - 1);
  if (first < floor || !extend(first, more)) return {};
  buddy_.put({first + pages, used - first - pages}, FreeState::Clean);
  return {first, pages};
}

// Makes the pages down to `first` known, which the caller puts or takes; `more` are to be committed.
bool Arena::extend(PageNumber first, std::uint64_t more) noexcept {
  // Their entries first, then the pages, then the news of both.
  char* books_end = pagemap_.end_of_entries(first);
  const std::uint64_t books = pages_for(static_cast<std::size_t>(books_end - geometry_.top));
  const std::uint64_t more_books = books > books_pages_ ? books - books_pages_ : 0;
  if (more_books > 0 && !make_room(more + more_books)) return false;
  const auto used_bytes = static_cast<std::size_t>(geometry_.top - page_address(first));
  const std::size_t step = kWindowStep + bytes(pages_for(used_bytes / 4));
  const std::size_t books_step = kBooksStep + bytes(pages_for(used_bytes / 4 / (pal::kPageSize / sizeof(PageEntry))));
  if (!span_.extend_up(geometry_.top + bytes(books), books_step, geometry_.ceiling) ||
      !span_.extend_down(page_address(first), step, geometry_.floor)) {
    return false;
  }
  // A window that holds whole huge pages would make more resident than the books know.
  if (used_bytes > (std::size_t{1} << 20)) ask_small_pages();
  books_pages_ += more_books;
  charge(more_books);
  buddy_.extend_down(first);
  lowest_ever_.store(std::min(first, lowest_ever_.load(std::memory_order_relaxed)), std::memory_order_relaxed);
  set_limit(first);
  return true;
}

// release: a reader of a higher limit finds the entries accessible and zero. It may fall, because what is in use lies
// below any limit since: who has got a block reads the limit that it was made under, or a later one.
void Arena::set_limit(PageNumber lowest) noexcept {
  page_limit_->store(pagemap_.index(lowest) + std::uint64_t{1}, std::memory_order_release);
}

// Commits pages taken out of clean ones. With a page of a huge one goes its rest, which becomes ready. False: quota or
// system do not allow it, and they are clean again.
bool Arena::commit(PageRun run) noexcept {
  std::uint64_t rest = rest_of_huge_page(run.end());
  if (rest != 0 && !make_room(run.pages + rest)) {
    stop_huge_pages();
    rest = 0;
  }
  if (!make_room(run.pages + rest) || !pal::recommit(page_address(run.first), bytes(run.pages + rest))) {
    buddy_.put(run, FreeState::Clean);
    return false;
  }
  note_commit(run.pages + rest);
  charge(run.pages + rest);
  if (rest != 0) buddy_.take_exactly({run.end(), rest});
  buddy_.put({run.end(), rest}, FreeState::Dirty);
  return true;
}

bool Arena::deallocate(char* address, std::uint64_t& pages, Use use) noexcept {
  const pal::LockGuard held(lock_);
  const PageNumber first = page_number(address);
  const std::uint64_t word = pagemap_.word(first);
  if (page_word::kind(word) != PageKind::Run) return false;
  const PageRun run{first, page_word::value(word)};
  pages = run.pages;
  const std::uint64_t moved = moved_pages(first);
  pagemap_.set_word(first, 0);
  if (take_back(run, moved, use) && moved != 0) count_moved_runs(-1);
  limit_ready();
  note_rests();
  return true;
}

Arena::Resize Arena::resize(char* address, std::uint64_t pages, std::uint64_t& old_pages) noexcept {
  const pal::LockGuard held(lock_);
  const PageNumber first = page_number(address);
  const std::uint64_t word = pagemap_.word(first);
  if (page_word::kind(word) != PageKind::Run) return Resize::NotARun;
  old_pages = page_word::value(word);
  std::uint64_t moved = moved_pages(first);
  if (pages < old_pages) {
    take_back({first + pages, old_pages - pages}, moved > pages ? moved - pages : 0, Use::LargeBlock);
    moved = std::min(moved, pages);
    limit_ready();
  } else if (pages > old_pages) {
    std::uint64_t clean = 0;
    if (pages > span_.bytes() >> pal::kPageShift) return Resize::Refused;
    if (const PageRun kept = kept_.take_at(pagemap_, first + old_pages)) buddy_.put(kept, FreeState::Dirty);
    if (!take_free({first + old_pages, pages - old_pages}, clean)) return Resize::Refused;
  }
  set_run({first, pages}, moved);
  note_rests();
  return Resize::Done;
}

void Arena::purge() noexcept {
  const pal::LockGuard held(lock_);
  give_back(0, committed_pages_.load(std::memory_order_relaxed) / kHugeRests);
  ready_least_ = kReadyPages;
  gone_pages_ = 0;
  buddy_.retreat();
  // The limit first: else who frees what it has no right to free would look at entries that are no books any more, and
  // make them resident. Those that look just now read zeros.
  set_limit(buddy_.lowest());
  char* const books_end = pagemap_.end_of_entries(buddy_.lowest());
  const std::uint64_t books = pages_for(static_cast<std::size_t>(books_end - geometry_.top));
  const std::uint64_t unused = books_pages_ - books;
  if (unused == 0 || !pal::empty(geometry_.top + bytes(books), bytes(unused))) return;
  books_pages_ = books;
  discharge(unused);
}

bool Arena::make_accessible(char* low, char* high) noexcept {
  const pal::LockGuard held(lock_);
  return span_.make_accessible(low, high);
}

bool Arena::charge_books(std::uint64_t pages) noexcept {
  const pal::LockGuard held(lock_);
  if (!make_room(pages)) return false;
  charge(pages);
  return true;
}

void Arena::discharge_books(std::uint64_t pages) noexcept {
  const pal::LockGuard held(lock_);
  discharge(pages);
}

bool Arena::renew(char* address, std::uint64_t pages) noexcept {
  const pal::LockGuard held(lock_);
  return span_.renew(address, bytes(pages));
}

void Arena::set_quota(std::size_t quota) noexcept { quota_bytes_.store(quota, std::memory_order_relaxed); }

Arena::Counts Arena::counts() const noexcept {
  return {bytes(committed_pages_.load(std::memory_order_relaxed)),
          bytes(peak_committed_pages_.load(std::memory_order_relaxed)), quota_bytes_.load(std::memory_order_relaxed)};
}

PageNumber Arena::lowest_page() noexcept {
  const pal::LockGuard held(lock_);
  return buddy_.lowest();
}

void Arena::charge(std::uint64_t pages) noexcept {
  const std::uint64_t committed = committed_pages_.load(std::memory_order_relaxed) + pages;
  committed_pages_.store(committed, std::memory_order_relaxed);
  if (committed > peak_committed_pages_.load(std::memory_order_relaxed)) {
    peak_committed_pages_.store(committed, std::memory_order_relaxed);
  }
  committed_by_all.fetch_add(bytes(pages), std::memory_order_relaxed);
}

void Arena::discharge(std::uint64_t pages) noexcept {
  committed_pages_.store(committed_pages_.load(std::memory_order_relaxed) - pages, std::memory_order_relaxed);
  committed_by_all.fetch_sub(bytes(pages), std::memory_order_relaxed);
}

}  // namespace berth::core
