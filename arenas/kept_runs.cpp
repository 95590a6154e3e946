// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
#include "arenas/kept_runs.hpp"

#include <algorithm>
#include <bit>

#include "arenas/assert.hpp"
#include "arenas/page_links.hpp"

namespace berth::core {

namespace {

// A page's entry lies below the entry of the page before it.
std::uint64_t& by_size(const Pagemap& pagemap, std::uint32_t index) noexcept { return pagemap.at(index).aux; }
std::uint64_t& by_age(const Pagemap& pagemap, std::uint32_t index) noexcept { return pagemap.at(index - 1).aux; }
std::uint64_t& since_of(const Pagemap& pagemap, std::uint32_t index) noexcept { return pagemap.at(index - 2).aux; }

constexpr std::uint64_t kFirst = std::uint64_t{1} << 58;
constexpr std::uint64_t kLast = std::uint64_t{1} << 57;

// Pages at that end of a kept run, whose this is; 0: it is none's.
std::uint64_t pages_at(const Pagemap& pagemap, PageNumber page, std::uint64_t end) noexcept {
  const std::uint64_t word = pagemap.word(page);
  return page_word::kind(word) == PageKind::Parting && (word & end) != 0 ? page_word::value(word) : 0;
}

}  // namespace

unsigned KeptRuns::list_of(std::uint64_t pages) noexcept {
  const auto doublings = static_cast<unsigned>(std::bit_width(pages / kLeastPages)) - 1;
  return std::min(doublings, kLists - 1);
}

// `older`: the one before it by age, 0: none.
void KeptRuns::insert(const Pagemap& pagemap, PageRun run, std::uint64_t since, std::uint32_t older) noexcept {
  BERTH_ASSERT(run.pages >= kLeastPages);
  const std::uint32_t index = pagemap.index(run.first);
  pagemap.set_word(run.first, page_word::make(PageKind::Parting, run.pages) | kFirst);
  pagemap.set_word(run.end() - 1, page_word::make(PageKind::Parting, run.pages) | kLast);
  since_of(pagemap, index) = since;

  std::uint32_t& head = heads_[list_of(run.pages)];
  by_size(pagemap, index) = links(head, 0);
  if (head != 0) by_size(pagemap, head) = links(next_of(by_size(pagemap, head)), index);
  head = index;

  const std::uint32_t younger = older != 0 ? previous_of(by_age(pagemap, older)) : oldest_;
  by_age(pagemap, index) = links(older, younger);
  if (older != 0) {
    by_age(pagemap, older) = links(next_of(by_age(pagemap, older)), index);
  } else {
    oldest_ = index;
  }
  if (younger != 0) {
    by_age(pagemap, younger) = links(index, previous_of(by_age(pagemap, younger)));
  } else {
    youngest_ = index;
  }
  pages_ += run.pages;
}

void KeptRuns::remove(const Pagemap& pagemap, PageRun run) noexcept {
  const std::uint32_t index = pagemap.index(run.first);
  const std::uint64_t size = by_size(pagemap, index);
  if (next_of(size) != 0) {
    std::uint64_t& next = by_size(pagemap, next_of(size));
    next = links(next_of(next), previous_of(size));
  }
  if (previous_of(size) != 0) {
    std::uint64_t& previous = by_size(pagemap, previous_of(size));
    previous = links(next_of(size), previous_of(previous));
  } else {
    heads_[list_of(run.pages)] = next_of(size);
  }

  const std::uint64_t age = by_age(pagemap, index);
  const std::uint32_t older = next_of(age);
  const std::uint32_t younger = previous_of(age);
  if (older != 0) {
    by_age(pagemap, older) = links(next_of(by_age(pagemap, older)), younger);
  } else {
    oldest_ = younger;
  }
  if (younger != 0) {
    by_age(pagemap, younger) = links(older, previous_of(by_age(pagemap, younger)));
  } else {
    youngest_ = older;
  }
  pagemap.set_word(run.first, 0);
  pagemap.set_word(run.end() - 1, 0);
  pages_ -= run.pages;
}

void KeptRuns::put(const Pagemap& pagemap, PageNumber lowest, PageRun run, std::uint64_t now) noexcept {
  if (const PageRun behind = take_at(pagemap, run.end())) run.pages += behind.pages;
  const std::uint64_t before = run.first > lowest ? pages_at(pagemap, run.first - 1, kLast) : 0;
  if (before != 0) {
    run = {run.first - before, run.pages + before};
    remove(pagemap, {run.first, before});
  }
  insert(pagemap, run, now, youngest_);
}

PageRun KeptRuns::take(const Pagemap& pagemap, std::uint64_t pages, std::uint64_t alignment,
                       std::array<PageRun, 2>& rests) noexcept {
  const auto aligned = [&](PageNumber first) { return (first + alignment - 1) & ~(alignment - 1); };
  rests = {};
  PageRun best;
  for (unsigned list = list_of(std::max(pages, kLeastPages)); list < kLists && !best; ++list) {
    std::uint32_t index = heads_[list];
    for (unsigned left = kTries; index != 0 && left > 0; --left, index = next_of(by_size(pagemap, index))) {
      const PageNumber first = pagemap.page(index);
      const PageRun run{first, pages_at(pagemap, first, kFirst)};
      if (aligned(first) + pages <= run.end() && (!best || run.pages < best.pages)) best = run;
    }
  }
  if (!best) return {};
  const std::uint32_t index = pagemap.index(best.first);
  const std::uint64_t since = since_of(pagemap, index);
  const std::uint32_t older = next_of(by_age(pagemap, index));
  remove(pagemap, best);
  const PageRun taken{aligned(best.first), pages};
  rests = {PageRun{best.first, taken.first - best.first}, PageRun{taken.end(), best.end() - taken.end()}};
  for (PageRun& rest : rests) {
    if (rest.pages < kLeastPages) continue;
    insert(pagemap, rest, since, older);
    rest = {};
  }
  return taken;
}

PageRun KeptRuns::take_at(const Pagemap& pagemap, PageNumber first) noexcept {
  const PageRun run{first, pages_at(pagemap, first, kFirst)};
  if (run.pages == 0) return {};
  remove(pagemap, run);
  return run;
}

PageRun KeptRuns::take_oldest(const Pagemap& pagemap, std::uint64_t pages) noexcept {
  std::uint64_t since = 0;
  PageRun run = oldest(pagemap, since);
  if (!run) return {};
  remove(pagemap, run);
  if (pages + kLeastPages > run.pages) return run;
  insert(pagemap, {run.first + pages, run.pages - pages}, since, 0);
  return {run.first, pages};
}

PageRun KeptRuns::oldest(const Pagemap& pagemap, std::uint64_t& since) const noexcept {
  if (oldest_ == 0) return {};
  since = since_of(pagemap, oldest_);
  const PageNumber first = pagemap.page(oldest_);
  return {first, pages_at(pagemap, first, kFirst)};
}

}  // namespace berth::core
