// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Huge pages, an unload feature: 512 MiB in small pages take 40 ms to give back, in pages of 2 MiB little more than 1.
//
// An instance begins with small pages, so that one that does little stays small: 8 MiB of them, however the system is
// set. What lies below that, down to the floor of the span, is the huge pages' part: asked for once, so that it stays
// one entry of the map table and the window can move into it. There the system may make 2 MiB resident at the first
// touch of any byte, so the books do the same ("commit is accounted"): clean pages are whole huge ones, and with the
// first page of one the others are committed too. What a run leaves over must be filled, because it costs memory: runs
// of new pages are packed against each other, where the buddy system would leave a third of each power of two to
// smaller ones; and slabs, which have an alignment, into huge pages of their own.
//
//     floor                                  lowest                huge_top_           top
//       | never used                           | packing_ | runs ...  | small pages       | books
//
// Where rests must go, for the quota or because they became too many, huge pages are given up: for all the span, in
// one call, because the system could put broken ones together again behind the books' back. What is huge stays so until
// a part of it goes. They may begin again below, once twice as much is committed.
#include <algorithm>

#include "arenas/arena.hpp"

namespace berth::core {

namespace {

constexpr std::uint64_t kSmallPagesFirst = (std::size_t{8} << 20) / pal::kPageSize;

constexpr PageNumber region_of(PageNumber page) noexcept { return page & ~(pal::kHugePages - 1); }
constexpr PageNumber region_after(PageNumber page) noexcept { return region_of(page + pal::kHugePages - 1); }

std::size_t bytes(std::uint64_t pages) noexcept { return static_cast<std::size_t>(pages) * pal::kPageSize; }

}  // namespace

// Whether committing `more` pages is reason enough to go on with huge ones.
bool Arena::may_begin_huge_pages(std::uint64_t more) const noexcept {
  if (huge_pages_ == HugePagePolicy::Never || pal::huge_pages() == pal::HugePages::Never) return false;
  const std::uint64_t committed = committed_pages_.load(std::memory_order_relaxed) + more;
  const std::uint64_t enough = huge_pages_ == HugePagePolicy::Always ? 0 : kSmallPagesFirst;
  if (committed < std::max(enough, next_huge_pages_)) return false;
  // Rounding takes up to two of them, which a quota or a small span may not have to spare.
  constexpr std::uint64_t kRounding = 2 * pal::kHugePages;
  const std::uint64_t quota = quota_bytes_.load(std::memory_order_relaxed) >> pal::kPageShift;
  return (quota == 0 || committed + kRounding <= quota) &&
         buddy_.lowest() - page_number(geometry_.floor) >= more + kRounding;
}

// Whether the next `pages` new pages belong to the huge pages' part, of which `more` are to be committed; then the part
// above is used up.
bool Arena::reach_huge_pages(std::uint64_t pages, std::uint64_t more) noexcept {
  if (huge_top_ == 0) {
    if (!may_begin_huge_pages(more)) return false;
    huge_top_ = region_of(buddy_.lowest());
    pal::allow_huge_pages(geometry_.floor, static_cast<std::size_t>(page_address(huge_top_) - geometry_.floor));
  }
  const PageNumber used = buddy_.lowest();
  if (used <= huge_top_) return true;
  const PageRun gap{huge_top_, used - huge_top_};
  if (gap.pages >= pages || !extend(gap.first, more)) return false;
  buddy_.put(gap, FreeState::Clean);
  return true;
}

void Arena::stop_huge_pages() noexcept {
  if (huge_top_ == 0) return;
  huge_top_ = 0;
  next_huge_pages_ = 2 * committed_pages_.load(std::memory_order_relaxed);
  small_pages_asked_ = true;
  pal::forbid_huge_pages(span_.base(), span_.bytes());
}

// For the small pages' part, where the system's default are huge ones.
void Arena::ask_small_pages() noexcept {
  if (small_pages_asked_ || pal::huge_pages() != pal::HugePages::Always) return;
  small_pages_asked_ = true;
  char* const low = huge_top_ != 0 ? page_address(huge_top_) : span_.base();
  pal::forbid_huge_pages(low, static_cast<std::size_t>(span_.end() - low));
}

// A run out of the pages that the last one of its kind left over.
PageRun Arena::take_packed(std::uint64_t pages, std::uint64_t alignment) noexcept {
  PageRun& left = packing(alignment);
  if (left.pages < pages) return {};
  if (alignment == 1) {
    left.pages -= pages;
    return {left.end(), pages};
  }
  const PageNumber first = (left.first + alignment - 1) & ~(alignment - 1);
  if (first + pages > left.end()) return {};
  buddy_.put({left.first, first - left.first}, FreeState::Dirty);
  left = {first + pages, left.end() - first - pages};
  return {first, pages};
}

// New pages in whole huge ones, committed. The run begins in them and ends where the packed pages above end.
PageRun Arena::carve_packed(std::uint64_t pages) noexcept {
  if (!reach_huge_pages(pages, pages)) return {};
  const PageNumber used = buddy_.lowest();
  const PageNumber floor = page_number(geometry_.floor);
  PageRun& left = packing(1);
  const PageRun joined = left.pages != 0 && left.first == used ? left : PageRun{used, 0};
  if (joined.end() - floor < pages) return {};
  const PageRun run{joined.end() - pages, pages};
  const PageNumber first = region_of(run.first);
  const std::uint64_t fresh = used - first;
  if (first < floor || !make_room(fresh) || !extend(first, fresh)) return {};
  const bool taken = joined.pages != 0 && left.pages == 0;  // by making room
  if (taken || !pal::recommit(page_address(first), bytes(fresh))) {
    buddy_.put({first, fresh}, FreeState::Clean);
    return {};
  }
  if (joined.pages == 0) end_packing(left);
  charge(fresh);
  left = {first, run.first - first};
  return run;
}

// Packs the next runs of a kind into ready pages, which read as zero, if those are more than there are now.
void Arena::pack_into(PageRun ready, std::uint64_t alignment) noexcept {
  PageRun& left = packing(alignment);
  if (ready.pages <= left.pages) return;
  end_packing(left);
  buddy_.take_exactly(ready);
  left = ready;
}

void Arena::end_packing(PageRun& left) noexcept {
  if (left.pages != 0) buddy_.put(left, FreeState::Dirty);
  left = {};
}

// Pages from `end` on that lie in one huge page with the page before it.
std::uint64_t Arena::rest_of_huge_page(PageNumber end) const noexcept {
  return end < huge_top_ ? region_after(end) - end : 0;
}

// What of a run shares no huge page with other pages.
PageRun Arena::clean_part(PageRun run) const noexcept {
  const PageNumber begin = run.first < huge_top_ ? std::min(region_after(run.first), run.end()) : run.first;
  const PageNumber end = run.end() < huge_top_ ? std::max(region_of(run.end()), begin) : run.end();
  return {begin, end - begin};
}

// Takes back pages without memory. In a huge page of which others are in use they count as ready. Returns how many
// became clean.
std::uint64_t Arena::put_clean(PageRun run) noexcept {
  const PageRun clean = clean_part(run);
  buddy_.put({run.first, clean.first - run.first}, FreeState::Dirty);
  buddy_.put(clean, FreeState::Clean);
  buddy_.put({clean.end(), run.end() - clean.end()}, FreeState::Dirty);
  return clean.pages;
}

// Makes pages fresh ones of their part.
bool Arena::renew(PageRun run) noexcept {
  if (!span_.renew(page_address(run.first), bytes(run.pages))) return false;
  const PageNumber border = std::clamp(huge_top_, run.first, run.end());
  if (border > run.first) pal::allow_huge_pages(page_address(run.first), bytes(border - run.first));
  if (small_pages_asked_ && border < run.end()) pal::forbid_huge_pages(page_address(border), bytes(run.end() - border));
  return true;
}

}  // namespace berth::core
