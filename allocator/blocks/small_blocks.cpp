// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
#include "allocator/blocks/small_blocks.hpp"

#include <algorithm>
#include <utility>

#include "allocator/threads/cache_ownership.hpp"
#include "allocator/threads/remote_frees.hpp"
#include "arenas/asan.hpp"
#include "arenas/assert.hpp"
#include "arenas/memcheck.hpp"

namespace berth::core::small_blocks {

namespace {

using size_class::Class;
using size_class::kTable;

// How many blocks are cut at first, and at most: few, because each touches memory that may never be needed; not too
// few, because a list of one or two makes every other operation a refill. After the first ones a bin grows by half: 64
// instances with 160 random blocks each touch a seventh less than if it doubled.
constexpr std::uint32_t kFirstCarve = 8;
constexpr std::uint32_t kMaxCarve = 64;
constexpr std::size_t kFirstCarveBytes = std::size_t{8} << 10;
constexpr std::size_t kMaxCarveBytes = std::size_t{32} << 10;

std::uint32_t first_carve(const Class& kind) noexcept {
  return std::clamp<std::uint32_t>(static_cast<std::uint32_t>(kFirstCarveBytes / kind.block_bytes), 1, kFirstCarve);
}

constexpr std::size_t kCollectionStep = std::size_t{1} << 20;

Slab slab_at(Instance& instance, std::uint32_t index) noexcept { return {instance.arena.pagemap(), index}; }

std::uint32_t index_of(Instance& instance, const char* start) noexcept {
  return instance.arena.pagemap().index(page_number(start));
}

char* start_of(Instance& instance, std::uint32_t index) noexcept {
  return page_address(instance.arena.pagemap().page(index));
}

void set_words(Instance& instance, PageNumber first, std::uint32_t pages, std::uint64_t word) noexcept {
  for (std::uint32_t page = 0; page < pages; ++page) instance.arena.pagemap().set_word(first + page, word);
}

void list(Instance& instance, ThreadCache& cache, unsigned size_class, std::uint32_t index) noexcept {
  const std::uint32_t next = cache.bins[size_class].listed;
  slab_at(instance, index).set_links({next, 0});
  if (next != 0) {
    Slab other = slab_at(instance, next);
    other.set_links({other.links().next, index});
  }
  cache.bins[size_class].listed = index;
}

void unlist(Instance& instance, ThreadCache& cache, unsigned size_class, std::uint32_t index) noexcept {
  const Slab::Links links = slab_at(instance, index).links();
  if (links.next != 0) {
    Slab other = slab_at(instance, links.next);
    other.set_links({other.links().next, links.previous});
  }
  if (links.previous != 0) {
    Slab other = slab_at(instance, links.previous);
    other.set_links({links.next, other.links().previous});
  } else {
    cache.bins[size_class].listed = links.next;
  }
}

// Whether the states of a slab's blocks come and go with it. Those of a real-time budget are there from the birth on.
bool opens_states(Instance& instance, const char* start) noexcept {
  return instance.hardening != Hardening::Fast && instance.realtime.owner_of(page_number(start)) == nullptr;
}

bool add_slab(Instance& instance, ThreadCache& cache, unsigned size_class) noexcept {
  const Class& kind = kTable[instance.cut_as(size_class)];
  // Where memory grows, the dead may have left some.
  const std::size_t committed = instance.arena.counts().committed_bytes;
  if (committed >= instance.next_collection.load(std::memory_order_relaxed) &&
      realtime::own_stock(instance) == nullptr) {
    instance.next_collection.store(committed + std::max(kCollectionStep, committed / 4), std::memory_order_relaxed);
    collect_dead_caches(instance, &empty);
  }
  const Arena::Allocation pages = realtime::allocate(instance, kind.slab_pages, kind.slab_alignment);
  if (pages.address == nullptr) return false;
  asan::poison(pages.address, std::size_t{kind.slab_pages} * pal::kPageSize);
  if (instance.hardening == Hardening::Watched) {
    memcheck::hide(pages.address, std::size_t{kind.slab_pages} * pal::kPageSize);
  }
  const std::uint32_t index = index_of(instance, pages.address);
  // Equal parts of different instances begin in different lines, as their books do; where the first blocks fill no more
  // than half a page, in one where they do not reach into the next page.
  const std::size_t first_bytes = std::size_t{first_carve(kind)} * kind.block_bytes;
  const std::size_t lines = (pal::kPageSize - (first_bytes <= pal::kPageSize / 2 ? first_bytes : 0)) / 64;
  const std::size_t colour = instance.id % lines * 64;
  const auto origin = static_cast<std::uint16_t>(colour / kind.block_bytes);
  if (opens_states(instance, pages.address) &&
      !instance.block_states.add_slab(page_number(pages.address), kind.slab_pages)) {
    std::uint64_t returned = 0;
    realtime::deallocate(instance, pages.address, returned);
    return false;
  }
  cache.use_bin(size_class);
  Slab slab = slab_at(instance, index);
  slab.set_free_list(nullptr);
  slab.set_counts({0, 0, origin, 1});
  set_words(instance, page_number(pages.address), kind.slab_pages,
            slab_word::make(cache.owner.load(std::memory_order_relaxed), cache.slot.load(std::memory_order_relaxed),
                            size_class));
  list(instance, cache, size_class, index);
  return true;
}

void remove_slab(Instance& instance, ThreadCache& cache, unsigned size_class, std::uint32_t index) noexcept {
  const std::uint32_t pages = kTable[instance.cut_as(size_class)].slab_pages;
  char* start = start_of(instance, index);
  unlist(instance, cache, size_class, index);
  const bool has_states = opens_states(instance, start);
  const bool deferred = has_states && realtime::may_not_wait(instance);
  if (has_states && !deferred) instance.block_states.remove_slab(page_number(start), pages);
  set_words(instance, page_number(start), pages, 0);
  instance.arena.pagemap().set_word(page_number(start),
                                    page_word::make(PageKind::Run, pages) | (deferred ? realtime::kStatesBit : 0));
  std::uint64_t returned = 0;
  realtime::deallocate(instance, start, returned);
  BERTH_ASSERT(returned == pages);
}

// Cuts the next blocks of a slab and makes a list of them.
void* carve(Instance& instance, ThreadCache& cache, unsigned size_class, std::uint32_t index) noexcept {
  const Class& kind = kTable[instance.cut_as(size_class)];
  Slab slab = slab_at(instance, index);
  Slab::Counts counts = slab.counts();
  const std::uint32_t first = first_carve(kind);
  const auto most =
      std::clamp<std::uint32_t>(static_cast<std::uint32_t>(kMaxCarveBytes / kind.block_bytes), first, kMaxCarve);
  std::uint32_t& next_carve = cache.bins[size_class].next_carve;
  const std::uint32_t batch = next_carve == 0 ? first : next_carve;
  next_carve = next_carve == 0 ? std::max(first / 2, 1u) : std::min(batch + (batch + 1) / 2, most);

  const std::uint32_t count = std::min<std::uint32_t>(batch, kind.blocks - counts.carved);
  char* start = start_of(instance, index);
  const auto block = [&](std::uint32_t number) {
    const std::uint32_t shifted = number + counts.origin;
    return start + std::size_t{shifted < kind.blocks ? shifted : shifted - kind.blocks} * kind.block_bytes;
  };
  for (std::uint32_t number = counts.carved; number < counts.carved + count; ++number) {
    const bool last = number + 1 == counts.carved + count;
    if (instance.hardening == Hardening::Guarded) fill<Hardening::Guarded>(instance, block(number), size_class);
    instance.link(block(number), last ? nullptr : block(number + 1));
  }
  void* head = block(counts.carved);
  counts.carved = static_cast<std::uint16_t>(counts.carved + count);
  slab.set_counts(counts);
  return head;
}

// At GUARDED so many frees of its class come at least after a block's before it is used again: fewer where blocks are
// large, because what waits is neither in the caches of the processor nor anybody else's.
std::uint32_t least_wait(unsigned size_class) noexcept {
  return std::clamp(kTable[size_class].free_list_room / 2, 4u, 16u);
}

std::uint32_t room_of(Instance& instance, unsigned size_class) noexcept {
  const std::uint32_t room = kTable[size_class].free_list_room;
  return instance.hardening == Hardening::Guarded ? std::max(room, least_wait(size_class)) : room;
}

// Memory is short: blocks that wait are better than none. False: none do.
bool end_wait(Bin& bin) noexcept {
  bin.allocate_list = std::exchange(bin.waiting_list, nullptr);
  if (bin.allocate_list != nullptr || bin.free_list == nullptr) return bin.allocate_list != nullptr;
  return swap(bin);
}

void find_corrupt(Instance& instance, const void* block) noexcept {
  instance.block_states.retire(block);
  instance.findings.add(MisuseKind::Corruption, block);
}

// What lies behind a corrupt link stays out of use.
void return_list(Instance& instance, ThreadCache& cache, void* block) noexcept {
  while (block != nullptr) {
    bool sealed = false;
    void* next = instance.next(block, sealed);
    if (!sealed) return find_corrupt(instance, block);
    return_to_slab(instance, cache, block);
    block = next;
  }
}

// Of a slab whose blocks are all free, at GUARDED: whether they are as they were left. Those that are not are told.
bool all_are_as_left(Instance& instance, unsigned size_class, std::uint32_t index) noexcept {
  const Class& kind = kTable[instance.cut_as(size_class)];
  const Slab::Counts counts = slab_at(instance, index).counts();
  const char* const start = start_of(instance, index);
  bool all = true;
  for (std::uint32_t number = 0; number < counts.carved; ++number) {
    const char* const block = start + std::size_t{(number + counts.origin) % kind.blocks} * kind.block_bytes;
    if (is_as_left(instance, block, size_class)) continue;
    find_corrupt(instance, block);
    all = false;
  }
  return all;
}

// A slab without live blocks goes to the arena. At GUARDED nobody looks at its blocks after that, and one of which a
// block was written to stays out of use.
void remove_empty_slab(Instance& instance, ThreadCache& cache, unsigned size_class, std::uint32_t index) noexcept {
  if (instance.hardening != Hardening::Guarded || all_are_as_left(instance, size_class, index)) {
    return remove_slab(instance, cache, size_class, index);
  }
  unlist(instance, cache, size_class, index);
  Slab slab = slab_at(instance, index);
  const Slab::Counts counts = slab.counts();
  slab.set_free_list(nullptr);
  slab.set_counts({0, counts.carved, counts.origin, 0});
}

// Takes in a block that another thread freed and counted. At GUARDED it has to wait as those do that its owner frees.
void take_in(Instance& instance, ThreadCache& cache, void* block) noexcept {
  if (instance.hardening != Hardening::Guarded) return return_to_slab(instance, cache, block);
  const unsigned size_class = slab_word::size_class(instance.arena.pagemap().word(page_number(block)));
  Bin& bin = cache.bins[size_class];
  bin.frees.add(~std::uint64_t{0});  // push() counts it once more
  if (!push<Hardening::Guarded>(bin, block, instance)) sort_back(instance, cache, size_class);
}

// At GUARDED: the free list becomes the waiting list, and that one the allocate list, if enough has been freed since.
// False: there is nothing to allocate from yet.
bool swap_waiting(Bin& bin, unsigned size_class) noexcept {
  if (bin.free_list == nullptr || bin.uncounted() < least_wait(size_class)) return false;
  bin.allocate_list = std::exchange(bin.waiting_list, std::exchange(bin.free_list, nullptr));
  bin.count_frees();
  return bin.allocate_list != nullptr;
}

}  // namespace

void drop_corrupt(Instance& instance, Bin& bin) noexcept {
  void* const block = bin.allocate_list;
  bool sealed = false;
  void* const next = instance.next(block, sealed);
  // A list that leads to a block in use is somebody's making, seal or not.
  const bool is_free = instance.block_states.of(block).load(std::memory_order_relaxed) == BlockState::None;
  bin.allocate_list = sealed && is_free ? next : nullptr;
  find_corrupt(instance, block);
}

bool is_as_left(Instance& instance, const void* block, unsigned size_class) noexcept {
  bool sealed = false;
  instance.next(block, sealed);
  return sealed &&
         pattern::holds_free<pattern::Length::Any>(block, kTable[size_class].block_bytes, instance.guard.fill);
}

bool refill(Instance& instance, ThreadCache& cache, unsigned size_class) noexcept {
  Bin& bin = cache.bins[size_class];
  BERTH_ASSERT(bin.allocate_list == nullptr);
  if (instance.hardening == Hardening::Guarded ? swap_waiting(bin, size_class) : swap(bin)) return true;
  if (cache.remote_frees.load(std::memory_order_relaxed) != nullptr) drain_remote_frees(instance, cache);
  if (bin.allocate_list != nullptr) return true;
  if (bin.listed == 0 && !add_slab(instance, cache, size_class)) return end_wait(bin);

  const std::uint32_t index = cache.bins[size_class].listed;
  Slab slab = slab_at(instance, index);
  Slab::Counts counts = slab.counts();
  if (counts.free > 0) {
    bin.allocate_list = slab.free_list();
    slab.set_free_list(nullptr);
    counts.free = 0;
    slab.set_counts(counts);
  } else {
    bin.allocate_list = carve(instance, cache, size_class, index);
    counts = slab.counts();
  }
  if (counts.carved == kTable[instance.cut_as(size_class)].blocks) {
    unlist(instance, cache, size_class, index);
    counts.listed = 0;
    slab.set_counts(counts);
  }
  return true;
}

void sort_back(Instance& instance, ThreadCache& cache, unsigned size_class) noexcept {
  Bin& bin = cache.bins[size_class];
  // A bin that was never used has no room at all, and room for its first block from here on.
  if (bin.limit.load(std::memory_order_relaxed) == 0) return bin.open(room_of(instance, size_class));
  bin.count_frees();
  void* full = std::exchange(bin.free_list, nullptr);
  if (instance.hardening == Hardening::Guarded) {
    full = std::exchange(bin.waiting_list, full);
    if (bin.allocate_list == nullptr) {
      bin.allocate_list = full;
      return;
    }
  }
  return_list(instance, cache, full);
}

void return_to_slab(Instance& instance, ThreadCache& cache, void* block) noexcept {
  const unsigned size_class = slab_word::size_class(instance.arena.pagemap().word(page_number(block)));
  const std::uint32_t index = index_of(instance, Slab::start_of(block, size_class));
  Slab slab = slab_at(instance, index);
  Slab::Counts counts = slab.counts();
  instance.link(block, slab.free_list());
  slab.set_free_list(block);
  ++counts.free;
  if (counts.listed == 0) {
    list(instance, cache, size_class, index);
    counts.listed = 1;
  }
  slab.set_counts(counts);
  // An empty slab goes, unless it is the only one that this class can allocate from.
  if (counts.free == counts.carved && (cache.bins[size_class].listed != index || slab.links().next != 0)) {
    remove_empty_slab(instance, cache, size_class, index);
  }
}

void drain_remote_frees(Instance& instance, ThreadCache& cache) noexcept {
  void* block = remote_frees::take(cache);
  if (instance.hardening == Hardening::Fast) return return_list(instance, cache, block);
  while (block != nullptr) {
    bool sealed = false;
    void* next = instance.next(block, sealed);
    if (!sealed) return find_corrupt(instance, block);
    std::atomic<BlockState>& state = instance.block_states.of(block);
    // The owner and another thread freed it at the same time. It is in two lists, and what is behind it may be as well.
    if (state.load(std::memory_order_relaxed) != BlockState::Sent) {
      const unsigned size_class = slab_word::size_class(instance.arena.pagemap().word(page_number(block)));
      cache.bins[size_class].frees.add(~std::uint64_t{0});  // one of the two was none
      return instance.findings.add(MisuseKind::DoubleFree, block);
    }
    state.store(BlockState::None, std::memory_order_relaxed);
    take_in(instance, cache, block);
    block = next;
  }
}

void empty(Instance& instance, ThreadCache& cache) noexcept {
  remote_frees::send_all(instance, cache);
  drain_remote_frees(instance, cache);
  cache.for_each_used_bin([&](unsigned size_class) {
    Bin& bin = cache.bins[size_class];
    bin.count_frees();
    return_list(instance, cache, std::exchange(bin.waiting_list, nullptr));
    return_list(instance, cache, std::exchange(bin.free_list, nullptr));
    return_list(instance, cache, std::exchange(bin.allocate_list, nullptr));
    for (std::uint32_t index = cache.bins[size_class].listed; index != 0;) {
      const std::uint32_t next = slab_at(instance, index).links().next;
      const Slab::Counts counts = slab_at(instance, index).counts();
      if (counts.free == counts.carved) remove_empty_slab(instance, cache, size_class, index);
      index = next;
    }
    cache.bins[size_class].next_carve = 0;
  });
}

void rename_owner(Instance& instance, ThreadCache& cache, const void* block) noexcept {
  const std::uint64_t word = instance.arena.pagemap().word(page_number(block));
  const unsigned size_class = slab_word::size_class(word);
  set_words(instance, page_number(Slab::start_of(block, size_class)), kTable[instance.cut_as(size_class)].slab_pages,
            slab_word::make(cache.owner.load(std::memory_order_relaxed), slab_word::slot(word), size_class));
}

}  // namespace berth::core::small_blocks
