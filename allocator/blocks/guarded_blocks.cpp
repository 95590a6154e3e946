// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
#include "allocator/blocks/guarded_blocks.hpp"

#include "allocator/blocks/large_blocks.hpp"
#include "allocator/instance.hpp"
#include "allocator/secrets.hpp"
#include "arenas/asan.hpp"

namespace berth::core::guarded_blocks {

namespace {

constexpr unsigned kClassShift = 40;
constexpr std::uint64_t kPagesMask = (std::uint64_t{1} << kClassShift) - 1;
constexpr std::uint64_t kLiveBit = std::uint64_t{1} << 48;
static_assert(kNoClass < 256 && kLiveBit < page_word::kMovedBit);

// A slot: an inaccessible page, one for the block, and another inaccessible one.
constexpr std::uint64_t kSlotPages = 3;
constexpr std::uint64_t kSlotsAhead = 8;

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

bool claim_runs(Guard& guard, std::uint32_t count) noexcept {
  if (runs_of_all.fetch_add(count, std::memory_order_relaxed) > kMostOfAll - count) {
    runs_of_all.fetch_sub(count, std::memory_order_relaxed);
    return false;
  }
  guard.runs.fetch_add(count, std::memory_order_relaxed);
  return true;
}

void leave_runs(Guard& guard, std::uint32_t count) noexcept {
  guard.runs.fetch_sub(count, std::memory_order_relaxed);
  runs_of_all.fetch_sub(count, std::memory_order_relaxed);
}

void return_pages(Instance& instance, PageNumber first, std::uint64_t pages) noexcept {
  instance.arena.pagemap().set_word(first, page_word::make(PageKind::Run, pages));
  instance.arena.deallocate(page_address(first), pages);
  leave_runs(instance.guard, 1);
}

void keep(Instance& instance, const GuardedBlock& block) noexcept;

// A run whose first and last page are inaccessible. 0: there is none to have. Under the guard's lock.
PageNumber make_run(Instance& instance, std::uint64_t pages) noexcept {
  if (!claim_runs(instance.guard, 1)) return 0;
  const Arena::Allocation run = instance.arena.allocate(pages, 1);
  if (run.address == nullptr) {
    leave_runs(instance.guard, 1);
    return 0;
  }
  const PageNumber first = page_number(run.address);
  if (protect(first, 1, pal::Protection::None)) {
    if (protect(first + pages - 1, 1, pal::Protection::None)) return first;
    // What the map table has no room for now it may have no room to undo; then the run waits with those that were
    // freed.
    if (!protect(first, 1, pal::Protection::ReadWrite)) {
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

// That of a run: one that has leaked tells nothing of the next.
pattern::Pattern canary(Instance& instance, PageNumber first) noexcept {
  return pattern::from_random(secrets::mix(instance.guard.canary_secret ^ first));
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

void give_slack(Instance& instance, const GuardedBlock& block, std::size_t size) noexcept {
  const std::size_t slack = size < block.bytes ? block.bytes - size : 0;
  slack_of(instance, block.first) = slack;
  char* const end = block.start + block.bytes;
  if (!asan::kPresent) pattern::fill(end - slack, end, canary(instance, block.first));
}

bool is_still_live(Instance& instance, const GuardedBlock& block) noexcept {
  return describe(block.first, instance.arena.pagemap().word(block.first)).live;
}

State state_of(Instance& instance, const GuardedBlock& block) noexcept {
  if (!is_still_live(instance, block)) return State::Freed;
  const pattern::Pattern expected = canary(instance, block.first);
  if (!pattern::holds(data_of(block), block.start, expected)) return State::WrittenBefore;
  const std::uint64_t slack = slack_of(instance, block.first);
  // AddressSanitizer poisons the slack, and tells at once.
  if (asan::kPresent || (slack & kMeasuredBit) != 0) return State::Sound;
  const char* const end = block.start + block.bytes;
  return pattern::holds(end - slack, end, expected) ? State::Sound : State::WrittenBehind;
}

// In the books a slot that is ready is a freed block of a page.
void make_ready(Instance& instance, PageNumber first) noexcept {
  Guard& guard = instance.guard;
  instance.arena.pagemap().set_word(first, make_word(kSlotPages, kNoClass, false));
  link_of(instance, first) = guard.ready;
  guard.ready = instance.arena.pagemap().index(first);
}

// Slots out of one piece of memory, all of it inaccessible first. False: there are none to have; one may be.
bool make_slots(Instance& instance) noexcept {
  constexpr std::uint64_t kPages = kSlotsAhead * kSlotPages;
  if (!claim_runs(instance.guard, kSlotsAhead)) return false;
  const Arena::Allocation run = instance.arena.allocate(kPages, 1);
  if (run.address == nullptr) {
    leave_runs(instance.guard, kSlotsAhead);
    return false;
  }
  const PageNumber first = page_number(run.address);
  bool done = protect(first, kPages, pal::Protection::None);
  for (std::uint64_t slot = 0; slot < kSlotsAhead && done; ++slot) {
    done = protect(first + slot * kSlotPages + 1, 1, pal::Protection::ReadWrite);
  }
  if (done) {
    for (std::uint64_t slot = kSlotsAhead; slot-- > 0;) make_ready(instance, first + slot * kSlotPages);
    return true;
  }
  leave_runs(instance.guard, kSlotsAhead - 1);
  if (instance.arena.renew(run.address, kPages)) {
    return_pages(instance, first, kPages);
  } else {  // as a run that make_run() cannot undo
    const std::uint64_t word = make_word(kPages, kNoClass, false);
    instance.arena.pagemap().set_word(first, word);
    keep(instance, describe(first, word));
  }
  return false;
}

PageNumber take_slot(Instance& instance) noexcept {
  Guard& guard = instance.guard;
  if (guard.ready == 0 && !make_slots(instance)) return make_run(instance, kSlotPages);
  const PageNumber first = instance.arena.pagemap().page(guard.ready);
  guard.ready = static_cast<std::uint32_t>(link_of(instance, first));
  return first;
}

// Takes the block that was freed first out of the list of those, and gives it back to the arena, or makes it ready
// where it is a slot that may. False: the system refuses to make it accessible.
bool release_oldest(Instance& instance, bool may_be_ready) noexcept {
  Guard& guard = instance.guard;
  const Pagemap& pagemap = instance.arena.pagemap();
  const PageNumber first = pagemap.page(guard.oldest);
  const GuardedBlock block = describe(first, pagemap.word(first));
  const auto next = static_cast<std::uint32_t>(link_of(instance, first));
  const bool as_slot = may_be_ready && block.pages == kSlotPages;
  if (as_slot ? !protect(first + 1, 1, pal::Protection::ReadWrite)
              : !instance.arena.renew(page_address(first), block.pages)) {
    return false;
  }
  guard.oldest = next;
  if (guard.oldest == 0) guard.newest = 0;
  --guard.freed_blocks;
  guard.freed_pages -= block.pages;
  if (as_slot) {
    make_ready(instance, first);
  } else {
    return_pages(instance, first, block.pages);
  }
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
    if (!release_oldest(instance, true)) return;
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
  // acquire: below the limit the entries are accessible, whatever the pointer is that somebody gave.
  if (index >= instance.page_limit.load(std::memory_order_acquire)) return {};
  const PageNumber first = page_number(address) - 1;
  const GuardedBlock block = describe(first, instance.arena.pagemap().word(first));
  return block.start == address ? block : GuardedBlock{};
}

namespace {

std::uint64_t random(Guard& guard) noexcept {
  return secrets::mix(guard.draws.fetch_add(0x9e3779b97f4a7c15, std::memory_order_relaxed));
}

}  // namespace

void open(Instance& instance, std::uint32_t rate) noexcept {
  Guard& guard = instance.guard;
  guard.rate = rate != 0 ? rate : kDefaultRate;
  const pattern::Pattern fill = pattern::from_random(secrets::of(instance.id, 5));
  guard.fill = {{fill, fill}};
  guard.canary_secret = secrets::of(instance.id, 6);
  guard.draws.store(secrets::of(instance.id, 7), std::memory_order_relaxed);
}

std::uint32_t distance(Guard& guard) noexcept {
  return static_cast<std::uint32_t>(1 + random(guard) % (2 * std::uint64_t{guard.rate} - 1));
}

bool is_drawn(Guard& guard) noexcept { return random(guard) % guard.rate == 0; }

void* allocate(Instance& instance, unsigned size_class, std::size_t alignment, std::size_t size) noexcept {
  Guard& guard = instance.guard;
  const pal::LockGuard held(guard.lock);
  const std::uint64_t data =
      size_class == kNoClass ? large_blocks::pages(size) : pages_for(size_class::kTable[size_class].block_bytes);
  const bool possible = alignment <= pal::kPageSize && data < instance.arena.span_bytes() >> pal::kPageShift;
  PageNumber first = 0;
  if (possible) first = data + 2 == kSlotPages ? take_slot(instance) : make_run(instance, data + 2);
  if (first == 0) {
    guard.unguarded.fetch_add(1, std::memory_order_relaxed);
    return nullptr;
  }
  const std::uint64_t word = make_word(data + 2, size_class, true);
  const GuardedBlock block = describe(first, word);
  asan::unpoison(data_of(block), static_cast<std::size_t>(data) * pal::kPageSize);
  pattern::fill(data_of(block), block.start, canary(instance, first));
  give_slack(instance, block, size);
  instance.arena.pagemap().set_word(first, word);
  guard.guarded.fetch_add(1, std::memory_order_relaxed);
  instance.large_blocks.fetch_add(1, std::memory_order_relaxed);
  instance.large_bytes.fetch_add(block.bytes, std::memory_order_relaxed);
  instance.large_allocations.fetch_add(1, std::memory_order_relaxed);
  return block.start;
}

void set_asked(Instance& instance, const GuardedBlock& block, std::size_t size) noexcept {
  const pal::LockGuard held(instance.guard.lock);
  if (is_still_live(instance, block)) give_slack(instance, block, size);
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
  // A slot keeps its page: it comes round again.
  if (protect(block.first + 1, block.pages - 2, pal::Protection::None) && block.pages > kSlotPages) {
    pal::decommit(data_of(block), static_cast<std::size_t>(block.pages - 2) * pal::kPageSize);
  }
  keep(instance, block);
  return State::Sound;
}

void purge(Instance& instance) noexcept {
  const pal::LockGuard held(instance.guard.lock);
  Guard& guard = instance.guard;
  const Pagemap& pagemap = instance.arena.pagemap();
  while (guard.oldest != 0 && release_oldest(instance, false)) {
  }
  while (guard.ready != 0) {
    const PageNumber first = pagemap.page(guard.ready);
    const auto next = static_cast<std::uint32_t>(link_of(instance, first));
    if (!instance.arena.renew(page_address(first), kSlotPages)) return;
    guard.ready = next;
    return_pages(instance, first, kSlotPages);
  }
}

void close(Instance& instance) noexcept {
  runs_of_all.fetch_sub(instance.guard.runs.load(std::memory_order_relaxed), std::memory_order_relaxed);
}

std::uint32_t runs_of_process() noexcept { return runs_of_all.load(std::memory_order_relaxed); }

void forget_counts() noexcept { runs_of_all.store(0, std::memory_order_relaxed); }

void count_again(const Instance& instance) noexcept {
  runs_of_all.fetch_add(instance.guard.runs.load(std::memory_order_relaxed), std::memory_order_relaxed);
}

}  // namespace berth::core::guarded_blocks
