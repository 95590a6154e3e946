// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
#include "arenas/buddy.hpp"

#include <algorithm>
#include <bit>

#include "arenas/assert.hpp"
#include "arenas/page_links.hpp"

namespace berth::core {

namespace {

constexpr std::uint64_t block_pages(unsigned order) noexcept { return std::uint64_t{1} << order; }

}  // namespace

void Buddy::push(PageNumber first, unsigned order, FreeState state) noexcept {
  Lists& lists = lists_[slot(state)];
  const std::uint32_t index = pagemap_.index(first);
  const std::uint32_t head = lists.heads[order];
  PageEntry& entry = pagemap_.at(index);
  entry.word.store(page_word::make(kinds_[slot(state)], order), std::memory_order_relaxed);
  entry.aux = links(head, 0);
  if (head != 0) {
    PageEntry& second = pagemap_.at(head);
    second.aux = links(next_of(second.aux), index);
  }
  lists.heads[order] = index;
  lists.occupied |= std::uint64_t{1} << order;
  free_pages_[slot(state)] += block_pages(order);
}

void Buddy::remove(PageNumber first, unsigned order, FreeState state) noexcept {
  Lists& lists = lists_[slot(state)];
  PageEntry& entry = pagemap_.entry(first);
  const std::uint32_t next = next_of(entry.aux);
  const std::uint32_t previous = previous_of(entry.aux);
  if (next != 0) {
    PageEntry& other = pagemap_.at(next);
    other.aux = links(next_of(other.aux), previous);
  }
  if (previous != 0) {
    PageEntry& other = pagemap_.at(previous);
    other.aux = links(next, previous_of(other.aux));
  } else {
    lists.heads[order] = next;
    if (next == 0) lists.occupied &= ~(std::uint64_t{1} << order);
  }
  entry.word.store(0, std::memory_order_relaxed);
  free_pages_[slot(state)] -= block_pages(order);
}

void Buddy::put_block(PageNumber first, unsigned order, FreeState state) noexcept {
  while (order + 1 < kOrders) {
    const PageNumber buddy = first ^ block_pages(order);
    if (buddy < lowest_ || buddy >= end_) break;
    if (pagemap_.word(buddy) != page_word::make(kinds_[slot(state)], order)) break;
    remove(buddy, order, state);
    first = std::min(first, buddy);
    ++order;
  }
  push(first, order, state);
}

void Buddy::retreat() noexcept {
  for (;;) {
    const std::uint64_t word = pagemap_.word(lowest_);
    if (page_word::kind(word) != PageKind::Clean) return;
    const auto order = static_cast<unsigned>(page_word::value(word));
    remove(lowest_, order, FreeState::Clean);
    lowest_ += block_pages(order);
  }
}

void Buddy::put(PageRun run, FreeState state) noexcept {
  BERTH_ASSERT(run.first >= lowest_ && run.end() <= end_);
  while (run.pages > 0) {
    // The largest block that starts here and fits.
    const auto aligned = static_cast<unsigned>(std::countr_zero(run.first));
    const auto fitting = static_cast<unsigned>(std::bit_width(run.pages)) - 1;
    const unsigned order = std::min({aligned, fitting, kOrders - 1});
    put_block(run.first, order, state);
    run.first += block_pages(order);
    run.pages -= block_pages(order);
  }
}

PageRun Buddy::take(std::uint64_t pages, std::uint64_t alignment, FreeState state) noexcept {
  BERTH_ASSERT(pages > 0 && std::has_single_bit(alignment));
  const auto wanted = static_cast<unsigned>(std::bit_width(std::max(pages, alignment) - 1));
  if (wanted >= kOrders) return {};
  Lists& lists = lists_[slot(state)];
  const std::uint64_t large_enough = lists.occupied & (~std::uint64_t{0} << wanted);
  if (large_enough == 0) return {};
  const auto order = static_cast<unsigned>(std::countr_zero(large_enough));
  const PageNumber first = pagemap_.page(lists.heads[order]);
  remove(first, order, state);
  // The low end is handed out: what follows it stays free, so that it may grow in place.
  put({first + pages, block_pages(order) - pages}, state);
  return {first, pages};
}

// The size of the free block that starts here; 0: none does.
std::uint64_t Buddy::free_block_at(PageNumber first) const noexcept {
  if (first < lowest_ || first >= end_) return 0;
  const std::uint64_t word = pagemap_.word(first);
  const PageKind kind = page_word::kind(word);
  const bool free = kind == kinds_[0] || kind == kinds_[1];
  return free ? block_pages(static_cast<unsigned>(page_word::value(word))) : 0;
}

// The size of the free block that ends here; 0: none does. A block has no mark at its end, but few possible starts.
std::uint64_t Buddy::free_block_before(PageNumber end) const noexcept {
  for (unsigned order = 0; order < kOrders && block_pages(order) <= end; ++order) {
    if (free_block_at(end - block_pages(order)) == block_pages(order)) return block_pages(order);
  }
  return 0;
}

// A free block with its free neighbours, above it and then below it, until there are enough pages.
PageRun Buddy::hole_around(PageRun block, std::uint64_t pages) const noexcept {
  for (std::uint64_t more = 1; more != 0 && block.pages < pages; block.pages += more) more = free_block_at(block.end());
  for (std::uint64_t more = 1; more != 0 && block.pages < pages; block.pages += more) {
    more = free_block_before(block.first);
    block.first -= more;
  }
  return block.pages >= pages ? PageRun{block.first, pages} : PageRun{};
}

PageRun Buddy::find_hole(std::uint64_t pages, unsigned tries) const noexcept {
  // Any 2^n pages of one state hold a whole block of 2^(n-1).
  const auto order = static_cast<unsigned>(std::bit_width(pages)) - 1;
  for (const Lists& lists : lists_) {
    for (unsigned each = order == 0 ? 0 : order - 1; each <= order && each < kOrders; ++each) {
      unsigned left = tries;
      for (std::uint32_t index = lists.heads[each]; index != 0 && left > 0; --left) {
        if (const PageRun hole = hole_around({pagemap_.page(index), block_pages(each)}, pages)) return hole;
        index = next_of(pagemap_.at(index).aux);
      }
    }
  }
  return {};
}

bool Buddy::is_free(PageRun run, std::uint64_t& clean_pages) const noexcept {
  clean_pages = 0;
  // The page before run.first is taken, so a free block that holds run.first starts there.
  for (PageNumber page = run.first; page < run.end();) {
    const std::uint64_t pages = free_block_at(page);
    if (pages == 0) return false;
    if (page_word::kind(pagemap_.word(page)) == PageKind::Clean) clean_pages += std::min(pages, run.end() - page);
    page += pages;
  }
  return true;
}

void Buddy::take_exactly(PageRun run) noexcept {
  for (PageNumber page = run.first; page < run.end();) {
    const std::uint64_t word = pagemap_.word(page);
    const FreeState state = page_word::kind(word) == PageKind::Clean ? FreeState::Clean : FreeState::Dirty;
    const auto order = static_cast<unsigned>(page_word::value(word));
    remove(page, order, state);
    page += block_pages(order);
    if (page > run.end()) put({run.end(), page - run.end()}, state);
  }
}

PageRun Buddy::take_largest(FreeState state) noexcept {
  Lists& lists = lists_[slot(state)];
  if (lists.occupied == 0) return {};
  const auto order = static_cast<unsigned>(std::bit_width(lists.occupied) - 1);
  const PageNumber first = pagemap_.page(lists.heads[order]);
  remove(first, order, state);
  return {first, block_pages(order)};
}

}  // namespace berth::core
