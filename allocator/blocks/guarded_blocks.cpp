// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
#include "allocator/blocks/guarded_blocks.hpp"

#include <algorithm>
#include <cstring>

#include "allocator/blocks/large_blocks.hpp"
#include "allocator/instance.hpp"
#include "arenas/asan.hpp"

namespace berth::core::guarded_blocks {

namespace {

constexpr unsigned kClassShift = 40;
constexpr std::uint64_t kPagesMask = (std::uint64_t{1} << kClassShift) - 1;
constexpr std::uint64_t kLiveBit = std::uint64_t{1} << 48;
static_assert(kNoClass < 256 && kLiveBit < page_word::kMovedBit);

constexpr unsigned char kCanary = 0xb7;

// How many freed ones stay inaccessible, and how many pages of addresses they may take.
constexpr std::uint32_t kFreedBlocks = 256;
constexpr std::uint64_t kFreedPages = (std::size_t{16} << 20) / pal::kPageSize;

// Runs of all instances. Any thread, relaxed: only the number counts.
constinit std::atomic<std::uint32_t> runs_of_all{0};

std::uint64_t make_word(std::uint64_t pages, unsigned size_class, bool live) noexcept {
  return page_word::make(PageKind::Guarded, pages | std::uint64_t{size_class} << kClassShift | (live ? kLiveBit : 0));
}

bool protect(PageNumber first, std::uint64_t pages, pal::Protection protection) noexcept {
  return pal::protect(page_address(first), static_cast<std::size_t>(pages) * pal::kPageSize, protection);
}

bool claim_run(Guard& guard) noexcept {
  if (runs_of_all.fetch_add(1, std::memory_order_relaxed) >= kMostOfAll) {
    runs_of_all.fetch_sub(1, std::memory_order_relaxed);
    return false;
  }
  guard.runs.fetch_add(1, std::memory_order_relaxed);
  return true;
}

void leave_run(Guard& guard) noexcept {
  guard.runs.fetch_sub(1, std::memory_order_relaxed);
  runs_of_all.fetch_sub(1, std::memory_order_relaxed);
}

void return_pages(Instance& instance, PageNumber first, std::uint64_t pages) noexcept {
  instance.arena.pagemap().set_word(first, page_word::make(PageKind::Run, pages));
  instance.arena.deallocate(page_address(first), pages);
  leave_run(instance.guard);
}

void keep(Instance& instance, const GuardedBlock& block) noexcept;

// A run whose first and last page are inaccessible. 0: there is none to have.
PageNumber make_run(Instance& instance, std::uint64_t pages) noexcept {
  if (!claim_run(instance.guard)) return 0;
  const Arena::Allocation run = instance.arena.allocate(pages, 1);
  if (run.address == nullptr) {
    leave_run(instance.guard);
    return 0;
  }
  const PageNumber first = page_number(run.address);
  if (protect(first, 1, pal::Protection::None)) {
    if (protect(first + pages - 1, 1, pal::Protection::None)) return first;
    // What the map table has no room for now it may have no room to undo; then the run waits with those that were
    // freed.
    if (!protect(first, 1, pal::Protection::ReadWrite)) {
      const pal::LockGuard held(instance.guard.lock);
      const std::uint64_t word = make_word(pages, kNoClass, false);
      instance.arena.pagemap().set_word(first, word);
      keep(instance, describe(first, word));
      return 0;
    }
  }
  return_pages(instance, first, pages);
  return 0;
}

char* data_of(const GuardedBlock& block) noexcept { return page_address(block.first + 1); }

void fill(char* from, const char* to) noexcept { std::memset(from, kCanary, static_cast<std::size_t>(to - from)); }

bool is_filled(const char* from, const char* to) noexcept {
  return std::all_of(from, to, [](char byte) { return static_cast<unsigned char>(byte) == kCanary; });
}

// Of a live block: what it has over the bytes that were asked for, and whether the plugin knows of it.
//     63       | 31..0
//     measured | slack
constexpr std::uint64_t kMeasuredBit = std::uint64_t{1} << 63;

// Both under the guard's lock.
std::uint64_t& slack_of(Instance& instance, PageNumber first) noexcept {
  return instance.arena.pagemap().entry(first + 1).aux;
}
std::uint64_t& link_of(Instance& instance, PageNumber first) noexcept {
  return instance.arena.pagemap().entry(first + 1).aux;
}

bool is_still_live(Instance& instance, const GuardedBlock& block) noexcept {
  return describe(block.first, instance.arena.pagemap().word(block.first)).live;
}

State state_of(Instance& instance, const GuardedBlock& block) noexcept {
  if (!is_still_live(instance, block)) return State::Freed;
  if (!is_filled(data_of(block), block.start)) return State::WrittenBefore;
  const std::uint64_t slack = slack_of(instance, block.first);
  // AddressSanitizer poisons the slack, and tells at once.
  if (asan::kPresent || (slack & kMeasuredBit) != 0) return State::Sound;
  const char* const end = block.start + block.bytes;
  return is_filled(end - slack, end) ? State::Sound : State::WrittenBehind;
}

// Gives the block that was freed first back to the arena. False: the system refuses to make it accessible.
bool release_oldest(Instance& instance) noexcept {
  Guard& guard = instance.guard;
  const Pagemap& pagemap = instance.arena.pagemap();
  const PageNumber first = pagemap.page(guard.oldest);
  const GuardedBlock block = describe(first, pagemap.word(first));
  if (!instance.arena.renew(page_address(first), block.pages)) return false;
  guard.oldest = static_cast<std::uint32_t>(link_of(instance, first));
  if (guard.oldest == 0) guard.newest = 0;
  --guard.freed_blocks;
  guard.freed_pages -= block.pages;
  return_pages(instance, first, block.pages);
  return true;
}

void keep(Instance& instance, const GuardedBlock& block) noexcept {
  Guard& guard = instance.guard;
  const Pagemap& pagemap = instance.arena.pagemap();
  const std::uint32_t index = pagemap.index(block.first);
  link_of(instance, block.first) = 0;
  if (guard.newest != 0) link_of(instance, pagemap.page(guard.newest)) = index;
  guard.newest = index;
  if (guard.oldest == 0) guard.oldest = index;
  ++guard.freed_blocks;
  guard.freed_pages += block.pages;
  while (guard.freed_blocks > kFreedBlocks || (guard.freed_pages > kFreedPages && guard.freed_blocks > 1)) {
    if (!release_oldest(instance)) return;
  }
}

}  // namespace

GuardedBlock describe(PageNumber first, std::uint64_t word) noexcept {
  GuardedBlock block;
  if (page_word::kind(word) != PageKind::Guarded) return block;
  block.first = first;
  block.pages = page_word::value(word) & kPagesMask;
  block.size_class = static_cast<unsigned>(word >> kClassShift) & 0xff;
  block.live = (word & kLiveBit) != 0;
  block.bytes = block.size_class == kNoClass ? static_cast<std::size_t>(block.pages - 2) * pal::kPageSize
                                             : size_class::kTable[block.size_class].block_bytes;
  block.start = page_address(first + block.pages - 1) - block.bytes;
  return block;
}

GuardedBlock at(Instance& instance, const void* address) noexcept {
  // Its first page lies before the one that the block begins in.
  const std::uint64_t index = instance.page_index(address) + 1;
  if (index >= instance.page_limit.load(std::memory_order_relaxed)) return {};
  const PageNumber first = page_number(address) - 1;
  const GuardedBlock block = describe(first, instance.arena.pagemap().word(first));
  return block.start == address ? block : GuardedBlock{};
}

void* allocate(Instance& instance, unsigned size_class, std::size_t alignment, std::size_t size) noexcept {
  Guard& guard = instance.guard;
  if (guard.ticks.fetch_add(1, std::memory_order_relaxed) % guard.rate != guard.rate - 1) return nullptr;
  const std::uint64_t data =
      size_class == kNoClass ? large_blocks::pages(size) : pages_for(size_class::kTable[size_class].block_bytes);
  const bool possible = alignment <= pal::kPageSize && data < instance.arena.span_bytes() >> pal::kPageShift;
  const PageNumber first = possible ? make_run(instance, data + 2) : 0;
  if (first == 0) {
    guard.unguarded.fetch_add(1, std::memory_order_relaxed);
    return nullptr;
  }
  const std::uint64_t word = make_word(data + 2, size_class, true);
  const GuardedBlock block = describe(first, word);
  asan::unpoison(data_of(block), static_cast<std::size_t>(data) * pal::kPageSize);
  fill(data_of(block), block.start);
  slack_of(instance, first) = 0;
  instance.arena.pagemap().set_word(first, word);
  guard.guarded.fetch_add(1, std::memory_order_relaxed);
  instance.large_blocks.fetch_add(1, std::memory_order_relaxed);
  instance.large_bytes.fetch_add(block.bytes, std::memory_order_relaxed);
  instance.large_allocations.fetch_add(1, std::memory_order_relaxed);
  return block.start;
}

void set_asked(Instance& instance, const GuardedBlock& block, std::size_t size) noexcept {
  const pal::LockGuard held(instance.guard.lock);
  if (!is_still_live(instance, block)) return;
  const std::size_t slack = size < block.bytes ? block.bytes - size : 0;
  slack_of(instance, block.first) = slack;
  if (!asan::kPresent) fill(block.start + block.bytes - slack, block.start + block.bytes);
}

void set_measured(Instance& instance, const GuardedBlock& block) noexcept {
  const pal::LockGuard held(instance.guard.lock);
  if (is_still_live(instance, block)) slack_of(instance, block.first) |= kMeasuredBit;
}

KnownSizes sizes(Instance& instance, const GuardedBlock& block) noexcept {
  const pal::LockGuard held(instance.guard.lock);
  if (!is_still_live(instance, block)) return {};
  const std::uint64_t slack = slack_of(instance, block.first);
  const std::size_t asked = block.bytes - static_cast<std::size_t>(slack & ~kMeasuredBit);
  return {asked, (slack & kMeasuredBit) != 0 ? block.bytes : asked};
}

State check(Instance& instance, const GuardedBlock& block) noexcept {
  const pal::LockGuard held(instance.guard.lock);
  return state_of(instance, block);
}

State deallocate(Instance& instance, const GuardedBlock& block) noexcept {
  const pal::LockGuard held(instance.guard.lock);
  const State state = state_of(instance, block);
  if (state != State::Sound) return state;
  asan::poison(block.start, block.bytes);
  instance.arena.pagemap().set_word(block.first, make_word(block.pages, block.size_class, false));
  instance.large_blocks.fetch_sub(1, std::memory_order_relaxed);
  instance.large_bytes.fetch_sub(block.bytes, std::memory_order_relaxed);
  instance.large_deallocations.fetch_add(1, std::memory_order_relaxed);
  if (protect(block.first + 1, block.pages - 2, pal::Protection::None)) {
    pal::decommit(data_of(block), static_cast<std::size_t>(block.pages - 2) * pal::kPageSize);
  }
  keep(instance, block);
  return State::Sound;
}

void purge(Instance& instance) noexcept {
  const pal::LockGuard held(instance.guard.lock);
  while (instance.guard.oldest != 0 && release_oldest(instance)) {
  }
}

void close(Instance& instance) noexcept {
  runs_of_all.fetch_sub(instance.guard.runs.load(std::memory_order_relaxed), std::memory_order_relaxed);
}

}  // namespace berth::core::guarded_blocks
