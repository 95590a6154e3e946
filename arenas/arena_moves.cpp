// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Runs that grow. One that cannot grow where it is gets a place with three times its size free behind it, so that of
// the next growths most are in place. And its memory goes there with it: 64 MiB cost 35 ms to copy to fresh pages, and
// 0.03 ms to move (mremap), on a machine where touching fresh pages costs 27.
//
// The price is in the system's map table: the span's window is one entry, and moved memory splits it, because an entry
// remembers where its memory was first. So moves are bounded for the whole process, and pages that were moved are
// renewed when they become free, which joins the entries again.
#include <algorithm>
#include <atomic>
#include <cstring>

#include "arenas/arena.hpp"
#include "arenas/asan.hpp"
#include "arenas/clock.hpp"

namespace berth::core {

namespace {

// As much as a run that grows gets, in its own sizes, and at most this share of the span.
constexpr std::uint64_t kRoom = 4;
constexpr std::uint64_t kShareOfSpan = 16;

// Below it a run is copied. That costs a quarter of a millisecond here, to fresh pages, and a move less than a tenth of
// that down to 256 KiB; but it costs entries, of which those who need them most should have some.
constexpr std::uint64_t kMinMovedPages = (std::size_t{512} << 10) / pal::kPageSize;

// Runs that lie in map entries of their own, of all instances: a few thousand of the 65,530 entries of a process.
constexpr std::uint32_t kMaxMovedRuns = 1024;

// Huge pages, and whole pages of the system's page tables, move in one piece if both places begin at such a multiple.
constexpr std::uint64_t kTablePages = pal::kHugePages;

// Pieces of a mixture of entries below this size are copied.
constexpr std::uint64_t kMinPiece = 16;

// Changed by each arena under its own lock, relaxed: only the number counts.
constinit std::atomic<std::uint32_t> moved_runs_of_all{0};

std::size_t bytes(std::uint64_t pages) noexcept { return static_cast<std::size_t>(pages) * pal::kPageSize; }

pal::Move move_pages(PageRun run, PageNumber to) noexcept {
  return pal::move_pages(page_address(run.first), page_address(to), bytes(run.pages));
}

// What lies in several entries of the map table is moved in halves of halves, and copied where that becomes petty.
// False: something was copied.
bool move_pieces(PageRun run, PageNumber to) noexcept;

bool move_halves(PageRun run, PageNumber to) noexcept {
  const std::uint64_t half = run.pages / 2;
  const bool first = move_pieces({run.first, half}, to);
  return move_pieces({run.first + half, run.pages - half}, to + half) && first;
}

bool move_pieces(PageRun run, PageNumber to) noexcept {
  const pal::Move done = move_pages(run, to);
  if (done == pal::Move::Mixed && run.pages > kMinPiece) return move_halves(run, to);
  if (done != pal::Move::Done) {
    asan::unpoison(page_address(run.first), bytes(run.pages));
    asan::unpoison(page_address(to), bytes(run.pages));
    std::memcpy(page_address(to), page_address(run.first), bytes(run.pages));
  }
  return done == pal::Move::Done;
}

}  // namespace

void Arena::set_run(PageRun run, std::uint64_t moved) noexcept {
  if (moved != 0) pagemap_.entry(run.first).aux = moved;
  pagemap_.set_word(run.first, page_word::make(PageKind::Run, run.pages) | (moved != 0 ? page_word::kMovedBit : 0));
}

std::uint64_t Arena::moved_pages(PageNumber first) const noexcept {
  return (pagemap_.word(first) & page_word::kMovedBit) != 0 ? pagemap_.entry(first).aux : 0;
}

Arena::Allocation Arena::allocate_to_grow(std::uint64_t pages) noexcept {
  const pal::LockGuard held(lock_);
  // Ready pages cost nothing. More than a few there are not, so a large run does not look for room among them.
  bool zero = false;
  PageRun run = pages >= KeptRuns::kLeastPages ? take_kept(pages, 1) : PageRun{};
  if (!run) run = buddy_.take(pages, 1, FreeState::Dirty);
  if (!run && make_room(pages)) {
    run = take_with_room(pages, pages);
    zero = true;
    if (run && !commit(run)) run = {};
  }
  if (!run) run = take(pages, 1, zero);
  if (!run) return {};
  set_run(run, 0);
  note_rests();
  return {page_address(run.first), zero};
}

// Clean pages with free ones behind them, of which the caller is to commit `more`.
PageRun Arena::take_with_room(std::uint64_t pages, std::uint64_t more) noexcept {
  const std::uint64_t most = (span_.bytes() >> pal::kPageShift) / kShareOfSpan;
  if (pages > most) return {};
  const std::uint64_t all = std::min(pages * kRoom, most);
  const std::uint64_t alignment = all >= kTablePages ? kTablePages : 1;
  PageRun run = buddy_.take(all, alignment, FreeState::Clean);
  if (!run) run = carve(all, alignment, more);
  if (run) buddy_.put({run.first + pages, all - pages}, FreeState::Clean);
  return run ? PageRun{run.first, pages} : run;
}

char* Arena::relocate(char* address, std::uint64_t pages, bool to_huge_pages) noexcept {
  const pal::LockGuard held(lock_);
  const PageNumber first = page_number(address);
  const std::uint64_t word = pagemap_.word(first);
  if (page_word::kind(word) != PageKind::Run) return nullptr;
  const PageRun old{first, page_word::value(word)};
  if (old.pages < kMinMovedPages || pages <= old.pages) return nullptr;
  if (moved_runs_of_all.load(std::memory_order_relaxed) >= kMaxMovedRuns) return nullptr;
  const std::uint64_t more = pages - old.pages;
  if (to_huge_pages) {
    const bool into_small = huge_top_ == 0 ? may_begin_huge_pages(more) : old.first + pages > huge_top_;
    if (!into_small || old.pages < pal::kHugePages) return nullptr;
  }
  const PageRun place = relocate_run(old, pages, to_huge_pages);
  return place ? page_address(place.first) : nullptr;
}

PageRun Arena::relocate_run(PageRun old, std::uint64_t pages, bool to_huge_pages) noexcept {
  const std::uint64_t more = pages - old.pages;
  if (!make_room(more)) return {};
  const PageRun place = take_with_room(pages, more);
  if (!place) return {};
  const std::uint64_t rest = rest_of_huge_page(place.end());
  // In a huge page that others use, what leaves it still counts.
  const std::uint64_t left = old.pages - clean_part(old).pages;
  // What was moved before may lie in several entries; what has come behind it since lies in one.
  const std::uint64_t moved = moved_pages(old.first);
  const PageRun earlier{old.first, moved};
  const PageRun latest{old.first + moved, old.pages - moved};
  const PageRun probe = latest.pages != 0 ? latest : earlier;
  const PageNumber probe_place = place.first + (probe.first - old.first);
  pal::Move done = pal::Move::Refused;
  if (!to_huge_pages || place.end() <= huge_top_) {
    if (make_room(more + rest + left)) done = move_pages(probe, probe_place);
  }
  if (done == pal::Move::Refused) {
    buddy_.put(place, FreeState::Clean);
    return {};
  }
  bool all_moved = done == pal::Move::Done || move_halves(probe, probe_place);
  if (probe.first != old.first) all_moved = move_pieces(earlier, place.first) && all_moved;

  pagemap_.set_word(old.first, 0);
  const bool left_entries = moved != 0 || !all_moved;
  const bool is_clean = !left_entries || renew(old) || pal::decommit(page_address(old.first), bytes(old.pages));
  charge(more + rest);
  buddy_.take_exactly({place.end(), rest});
  buddy_.put({place.end(), rest}, FreeState::Dirty);
  set_run(place, old.pages);
  if (moved == 0) count_moved_runs(1);
  if (is_clean) {
    charge(old.pages - put_clean(old));
  } else {
    // Its bytes were copied and the system keeps the originals: they count, if need be beyond the quota, and do not
    // read as zero.
    charge(old.pages);
    buddy_.put(old, FreeState::Dirty);
  }
  return place;
}

// Takes pages of a run back, of which the first `moved` lie in entries of their own. False: they still do.
bool Arena::take_back(PageRun run, std::uint64_t moved, Use use) noexcept {
  const PageRun strange{run.first, std::min(moved, run.pages)};
  const bool renewed = strange.pages == 0 || renew(strange);
  if (renewed) {
    discharge(put_clean(strange));
    run = {strange.end(), run.pages - strange.pages};
  }
  if (use == Use::LargeBlock && run.pages >= KeptRuns::kLeastPages) {
    kept_.put(pagemap_, buddy_.lowest(), run, clock::milliseconds());
  } else {
    buddy_.put(run, FreeState::Dirty);
  }
  return renewed;
}

void Arena::count_moved_runs(std::int32_t change) noexcept {
  moved_runs_ += static_cast<std::uint32_t>(change);
  moved_runs_of_all.fetch_add(static_cast<std::uint32_t>(change), std::memory_order_relaxed);
}

std::uint32_t Arena::moved_runs_of_process() noexcept { return moved_runs_of_all.load(std::memory_order_relaxed); }

void Arena::forget_moved_runs() noexcept { moved_runs_of_all.store(0, std::memory_order_relaxed); }

void Arena::count_moved_runs_again() const noexcept {
  moved_runs_of_all.fetch_add(moved_runs_, std::memory_order_relaxed);
}

}  // namespace berth::core
