// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Ready pages: free ones that have memory still, the kept runs and what the buddy has beside them, its rests. The
// policy that arena.hpp states.
#include <algorithm>

#include "arenas/arena.hpp"
#include "arenas/clock.hpp"

namespace berth::core {

namespace {

// All that is ready may be this share of what is in use, and the rests this share of what is committed.
constexpr std::uint64_t kReadyShare = 3;
constexpr std::uint64_t kRestsShare = 8;

// The share of the committed pages that stays in parts of huge pages when it is over age.
constexpr std::uint64_t kIdleHugeRests = 16;

// The part of a request that a kept run must have to be worth completing.
constexpr std::uint64_t kLeastPart = 4;

// How often in an age somebody looks for what is over it.
constexpr std::uint64_t kLooksInAnAge = 4;

// Written by the host, read by whoever comes by; relaxed: a number that stands for itself.
constinit std::atomic<std::uint32_t> idle_age{kDefaultIdleAge};

std::size_t bytes(std::uint64_t pages) noexcept { return static_cast<std::size_t>(pages) * pal::kPageSize; }

}  // namespace

void set_idle_age(std::uint32_t milliseconds) noexcept { idle_age.store(milliseconds, std::memory_order_relaxed); }

PageRun Arena::take_kept(std::uint64_t pages, std::uint64_t alignment) noexcept {
  if (kept_.pages() < pages) return {};
  std::array<PageRun, 2> rests;
  const PageRun run = kept_.take(pagemap_, pages, alignment, rests);
  for (const PageRun rest : rests) {
    if (rest.pages != 0) buddy_.put(rest, FreeState::Dirty);
  }
  return run;
}

// A kept run of which a good part is left to be had, with free pages behind it that make up the rest.
PageRun Arena::take_kept_and_more(std::uint64_t pages) noexcept {
  PageRun found;
  kept_.visit(pagemap_, std::max(pages / kLeastPart, KeptRuns::kLeastPages), [&](PageRun run) {
    std::uint64_t clean = 0;
    if (run.pages >= pages || !buddy_.is_free({run.end(), pages - run.pages}, clean)) return false;
    found = run;
    return true;
  });
  if (!found) return {};
  kept_.take_at(pagemap_, found.first);
  std::uint64_t clean = 0;
  if (take_free({found.end(), pages - found.pages}, clean)) return {found.first, pages};
  kept_.put(pagemap_, buddy_.lowest(), found, clock::milliseconds());
  return {};
}

// Whether the quota allows `pages` more; ready pages are given up for it.
bool Arena::make_room(std::uint64_t pages) noexcept {
  const std::size_t quota = quota_bytes_.load(std::memory_order_relaxed);
  if (quota == 0) return true;
  const std::uint64_t allowed = quota >> pal::kPageShift;
  const std::uint64_t committed = committed_pages_.load(std::memory_order_relaxed);
  if (pages > allowed) return false;
  if (committed + pages <= allowed) return true;
  for (PageRun& left : packing_) end_packing(left);
  const std::uint64_t excess = committed + pages - allowed;
  const std::uint64_t ready = ready_pages();
  return ready >= excess && give_back(ready - excess, ready - excess) >= excess;
}

// By bytes.
void Arena::limit_ready() noexcept {
  const std::uint64_t committed = committed_pages_.load(std::memory_order_relaxed);
  const std::uint64_t allowed = std::max(ready_least_, (committed - ready_pages()) / kReadyShare);
  if (ready_pages() > allowed) gone_pages_ += give_back_kept(allowed);
  const std::uint64_t rests = std::max(ready_least_, committed_pages_.load(std::memory_order_relaxed) / kRestsShare);
  if (buddy_.free_pages(FreeState::Dirty) > rests) gone_pages_ += give_back_rests(rests / 2, rests);
}

// Pages without memory are handed out: as many as went back might as well have stayed.
void Arena::note_commit(std::uint64_t pages) noexcept {
  const std::uint64_t again = std::min(pages, gone_pages_);
  gone_pages_ -= again;
  ready_least_ = std::min(ready_least_ + again, kMostReadyPages);
}

// After what may have changed the buddy's ready pages.
void Arena::note_rests() noexcept {
  const std::uint64_t rests = buddy_.free_pages(FreeState::Dirty);
  if (rests == rests_) return;
  rests_ = rests;
  fewest_rests_ = std::min(fewest_rests_, rests);
  rests_changed_ = clock::milliseconds();
}

void Arena::tend() noexcept {
  const std::uint64_t now = clock::milliseconds();
  if (now >= next_look_.load(std::memory_order_relaxed)) give_back_idle_at(now);
}

void Arena::give_back_idle() noexcept { give_back_idle_at(clock::milliseconds()); }

// By age. Rests have none each. Those are over age that nobody can have needed: all, if none came or went for so long,
// else the fewest that there have been.
void Arena::give_back_idle_at(std::uint64_t now) noexcept {
  const pal::LockGuard held(lock_);
  const std::uint64_t age = idle_age.load(std::memory_order_relaxed);
  next_look_.store(now + age / kLooksInAnAge, std::memory_order_relaxed);
  std::uint64_t since = 0;
  while (const PageRun run = kept_.oldest(pagemap_, since)) {
    if (now < since + age) break;
    give_back_run(kept_.take_at(pagemap_, run.first));
  }
  note_rests();
  const bool all_are = now >= rests_changed_ + age;
  if (all_are) fewest_rests_ = rests_;
  if (!all_are && now < fewest_since_ + age) return;
  const std::uint64_t tolerated = committed_pages_.load(std::memory_order_relaxed) / kIdleHugeRests;
  if (fewest_rests_ != 0) give_back_rests(rests_ - fewest_rests_, tolerated);
  rests_ = fewest_rests_ = buddy_.free_pages(FreeState::Dirty);
  fewest_since_ = now;
}

// Gives ready pages back until `keep` are left, the kept ones first; parts of huge pages, which must be broken up for
// that, only until `tolerated` are left. Returns how many pages went.
std::uint64_t Arena::give_back(std::uint64_t keep, std::uint64_t tolerated) noexcept {
  const std::uint64_t given = give_back_kept(keep);
  return given + give_back_rests(keep, tolerated);
}

std::uint64_t Arena::give_back_run(PageRun run) noexcept {
  ++times_given_;
  const PageRun clean = clean_part(run);
  if (clean.pages == 0 || !pal::decommit(page_address(clean.first), bytes(clean.pages))) {
    buddy_.put(run, FreeState::Dirty);
    return 0;
  }
  discharge(clean.pages);
  return put_clean(run);
}

// Kept runs, until `keep` ready pages are left. Of one that is most of these so much stays that the half is left.
std::uint64_t Arena::give_back_kept(std::uint64_t keep) noexcept {
  std::uint64_t given = 0;
  std::uint64_t since = 0;
  if (ready_pages() <= keep) return 0;
  for (PageRun& left : packing_) end_packing(left);
  while (ready_pages() > keep) {
    const PageRun run = kept_.oldest(pagemap_, since);
    if (!run) break;
    std::uint64_t pages = run.pages;
    if (pages > keep / 2) pages = std::min(pages, ready_pages() - keep / 2);
    pages += rest_of_huge_page(run.first + pages);
    given += give_back_run(kept_.take_oldest(pagemap_, pages));
  }
  return given;
}

// The largest first, until `keep` ready pages of the buddy's are left.
std::uint64_t Arena::give_back_rests(std::uint64_t keep, std::uint64_t tolerated) noexcept {
  std::uint64_t given = 0;
  for (PageRun& left : packing_) end_packing(left);
  while (buddy_.free_pages(FreeState::Dirty) > keep) {
    const std::uint64_t ready = buddy_.free_pages(FreeState::Dirty);
    const PageRun run = buddy_.take_largest(FreeState::Dirty);
    const bool part = run.first < huge_top_ && run.pages < pal::kHugePages;
    if (part && ready > tolerated) stop_huge_pages();
    if ((part && ready <= tolerated) || !pal::decommit(page_address(run.first), bytes(run.pages))) {
      buddy_.put(run, FreeState::Dirty);
      break;
    }
    ++times_given_;
    discharge(run.pages);
    buddy_.put(run, FreeState::Clean);
    given += run.pages;
  }
  return given;
}

}  // namespace berth::core
