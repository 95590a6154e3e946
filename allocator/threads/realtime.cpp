// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
#include "allocator/threads/realtime.hpp"

#include <algorithm>
#include <bit>
#include <new>
#include <utility>

#include "allocator/instance.hpp"
#include "allocator/misuse/log.hpp"
#include "allocator/registry.hpp"
#include "allocator/threads/cache_ownership.hpp"
#include "allocator/threads/tsan.hpp"
#include "arenas/assert.hpp"

namespace berth::core {

void PartingRuns::push(const Pagemap& pagemap, PageNumber first) noexcept {
  PageEntry& entry = pagemap.entry(first);
  const std::uint64_t kept = page_word::is_moved(pagemap.word(first)) ? entry.aux << 32 : 0;
  std::uint32_t top = head_.load(std::memory_order_relaxed);
  do {
    entry.aux = kept | top;
  } while (
      !head_.compare_exchange_weak(top, pagemap.index(first), std::memory_order_release, std::memory_order_relaxed));
}

std::uint32_t PartingRuns::take_all() noexcept { return empty() ? 0 : head_.exchange(0, std::memory_order_acquire); }

std::uint32_t PartingRuns::next(const Pagemap& pagemap, PageNumber first) noexcept {
  PageEntry& entry = pagemap.entry(first);
  return static_cast<std::uint32_t>(std::exchange(entry.aux, entry.aux >> 32));
}

namespace realtime {

namespace {

constexpr std::uint64_t kMostAlignment = (std::size_t{2} << 20) / pal::kPageSize;

// Whole pages around a range.
struct Pages {
  char* low;
  std::size_t bytes;

  Pages(const void* from, const void* to) noexcept
      : low(page_address(page_number(from))),
        bytes(pages_for(static_cast<std::size_t>(static_cast<const char*>(to) - low)) * pal::kPageSize) {}
};

// Makes the pages resident, and locks them where that is allowed; false: the system has not enough memory.
bool make_resident(const Pages& pages, bool& locked) noexcept {
  if (!pal::populate(pages.low, pages.bytes)) return false;
  if (!pal::lock_in_memory(pages.low, pages.bytes)) locked = false;
  return true;
}

// Calls `use` with all that a thread works with within its budget, but for its cache, until it answers false; the books
// first, because there are few of them and everything needs them.
template <typename Use>
bool for_each_part(Instance& instance, Use use) noexcept {
  const RealtimeBudget& budget = instance.realtime;
  const Pagemap& pagemap = instance.arena.pagemap();
  const PageNumber first = budget.first_page;
  const PageNumber end = first + budget.pages * budget.count;
  if (!use(Pages{&instance, instance.pagemap_entries()})) return false;
  if (!use(Pages{budget.stocks, budget.stocks + budget.count})) return false;
  // Entries ascend where pages descend.
  if (!use(Pages{&pagemap.entry(end), &pagemap.entry(first) + 1})) return false;
  if (instance.hardening != Hardening::Fast &&
      !use(Pages{&instance.block_states.of(page_address(first)), &instance.block_states.of(page_address(end))})) {
    return false;
  }
  return use(Pages{page_address(first), page_address(end)});
}

bool make_resident(Instance& instance, bool& locked) noexcept {
  return for_each_part(instance, [&](const Pages& part) { return make_resident(part, locked); });
}

// The books of the stocks lie in what would be the last caches. InvalidArgument: span or quota have no place for them.
Status open_books(Instance& instance, std::uint32_t threads, Stock*& stocks) noexcept {
  if (threads > kMaxThreads) return Status::InvalidArgument;
  const std::size_t bytes = threads * sizeof(Stock);
  const auto slots = static_cast<std::uint32_t>((bytes + kCacheStride - 1) / kCacheStride);
  if (instance.slots < Instance::kThreadSlots + threads + slots) return Status::InvalidArgument;
  char* const high = instance.caches + std::size_t{instance.slots} * kCacheStride;
  char* const low = high - std::size_t{slots} * kCacheStride;
  if (!instance.arena.charge_books(pages_for(bytes))) return Status::InvalidArgument;
  if (!instance.arena.make_accessible(low, high)) return Status::OutOfMemory;
  instance.slots -= slots;
  stocks = reinterpret_cast<Stock*>(low);
  for (std::uint32_t i = 0; i < threads; ++i) ::new (static_cast<void*>(stocks + i)) Stock;
  return Status::Ok;
}

// Makes a live run a parting one; false: it is none, or somebody else has just done so.
bool part(const Pagemap& pagemap, PageNumber first, std::uint64_t& pages) noexcept {
  std::uint64_t word = pagemap.word(first);
  if (page_word::kind(word) != PageKind::Run) return false;
  pages = page_word::value(word);
  // relaxed: the push that follows publishes it.
  return pagemap.entry(first).word.compare_exchange_strong(word, page_word::with_kind(word, PageKind::Parting),
                                                           std::memory_order_relaxed);
}

// Calls `use` with each run of a stack that was taken.
template <typename Use>
void for_each(const Pagemap& pagemap, std::uint32_t index, Use use) noexcept {
  while (index != 0) {
    const PageNumber first = pagemap.page(index);
    index = PartingRuns::next(pagemap, first);
    const std::uint64_t word = pagemap.word(first);
    if (page_word::kind(word) == PageKind::Parting) use(PageRun{first, page_word::value(word)});
  }
}

void put(const Pagemap& pagemap, Stock& stock, PageRun run) noexcept {
  pagemap.set_word(run.first, 0);
  stock.buddy.put(run, FreeState::Dirty);
}

void take_in_returned(const Pagemap& pagemap, Stock& stock) noexcept {
  for_each(pagemap, stock.returned.take_all(), [&](PageRun run) { put(pagemap, stock, run); });
}

PageRun take(const Pagemap& pagemap, Stock& stock, std::uint64_t pages, std::uint64_t alignment) noexcept {
  take_in_returned(pagemap, stock);
  PageRun run = stock.buddy.take(pages, alignment, FreeState::Dirty);
  if (run || alignment != 1) return run;
  // Adjacent free blocks that no power of two joins.
  run = stock.buddy.find_hole(pages, 4);
  if (run) stock.buddy.take_exactly(run);
  return run;
}

Arena::Resize resize_in(const Pagemap& pagemap, Stock& stock, PageRun run, std::uint64_t pages) noexcept {
  if (pages < run.pages) {
    stock.buddy.put({run.first + pages, run.pages - pages}, FreeState::Dirty);
  } else if (pages > run.pages) {
    const PageRun more{run.end(), pages - run.pages};
    std::uint64_t clean = 0;
    if (!stock.buddy.is_free(more, clean)) return Arena::Resize::Refused;
    stock.buddy.take_exactly(more);
  }
  pagemap.set_word(run.first, page_word::make(PageKind::Run, pages));
  return Arena::Resize::Done;
}

}  // namespace

Status open(Instance& instance, std::size_t bytes, std::uint32_t threads, Line& why) noexcept {
  const auto refuse = [&](Status status, const char* reason) {
    why << "realtime_bytes " << std::uint64_t{bytes} << " for " << std::uint64_t{threads} << " threads " << reason;
    return status;
  };
  if (bytes > instance.arena.span_bytes() / 2) return refuse(Status::InvalidArgument, "exceed half of the span");
  RealtimeBudget& budget = instance.realtime;
  Stock* stocks = nullptr;
  if (const Status status = open_books(instance, threads, stocks); status != Status::Ok) {
    return refuse(status, status == Status::OutOfMemory ? "find no memory for their books"
                                                        : "find no place for their books in span or quota");
  }
  const std::uint64_t pages = pages_for(bytes / threads + (bytes % threads != 0 ? 1 : 0));
  const std::uint64_t all = pages * threads;
  const Arena::Allocation run = instance.arena.allocate(all, std::min(std::bit_floor(all), kMostAlignment));
  if (run.address == nullptr) return refuse(Status::OutOfMemory, "exceed the quota, or what the system commits");

  const Pagemap& pagemap = instance.arena.pagemap();
  const PageNumber first = page_number(run.address);
  if (instance.hardening != Hardening::Fast && !instance.block_states.add_slab(first, all)) {
    return refuse(Status::OutOfMemory, "leave no room for states");
  }
  budget.stocks = stocks;
  budget.first_page = first;
  budget.pages = pages;
  budget.count = threads;
  bool locked = true;
  if (!make_resident(instance, locked)) return refuse(Status::OutOfMemory, "could not be made resident");
  if (!locked) {
    Line line;
    line << "berth: plugin \"" << registry::name(instance.self) << "\": realtime_bytes " << std::uint64_t{bytes}
         << " are resident, but the system does not allow to lock them (RLIMIT_MEMLOCK)";
    log::write(log::Severity::Warning, log::Code::NotLocked, line.c_str());
  }
  pagemap.set_word(first, 0);
  for (std::uint32_t i = 0; i < threads; ++i) {
    const PageRun share{first + i * pages, pages};
    stocks[i].buddy.open_apart(pagemap, share);
    stocks[i].buddy.put(share, FreeState::Dirty);
  }
  return Status::Ok;
}

Stock* own_stock(Instance& instance) noexcept {
  for (Stock& stock : instance.realtime.all()) {
    if (stock.owner.load(std::memory_order_relaxed) == thread_key) return &stock;
  }
  return nullptr;
}

Status prepare_thread(Instance& instance, ThreadCache& cache) noexcept {
  RealtimeBudget& budget = instance.realtime;
  if (budget.count == 0) return Status::Ok;
  if (budget.inherited.load(std::memory_order_relaxed)) {
    bool locked = true;
    if (!make_resident(instance, locked) || !make_resident({&cache, &cache + 1}, locked)) return Status::OutOfMemory;
    budget.inherited.store(false, std::memory_order_relaxed);
  }
  if (own_stock(instance) != nullptr) return Status::Ok;
  for (Stock& stock : budget.all()) {
    ThreadKey owner = stock.owner.load(std::memory_order_acquire);
    if (!has_ended(owner) || !stock.owner.compare_exchange_strong(owner, thread_key, std::memory_order_acq_rel)) {
      continue;
    }
    BERTH_TSAN_ACQUIRE(&stock);
    bool locked = true;
    if (make_resident({&cache, &cache + 1}, locked)) return Status::Ok;
    // release: the next owner finds it as the last one left it.
    stock.owner.store(kNobody, std::memory_order_release);
    return Status::OutOfMemory;
  }
  return Status::Busy;
}

Arena::Allocation allocate(Instance& instance, std::uint64_t pages, std::uint64_t alignment) noexcept {
  const Pagemap& pagemap = instance.arena.pagemap();
  if (Stock* stock = own_stock(instance)) {
    const PageRun run = take(pagemap, *stock, pages, alignment);
    if (run) pagemap.set_word(run.first, page_word::make(PageKind::Run, run.pages));
    BERTH_TSAN_RELEASE(stock);
    if (run) return {page_address(run.first), false};
  }
  // Who comes to the arena waits for its lock anyway: real-time threads beyond their budgets are no exception, or what
  // they free would wait for ever where there are no others.
  free_deferred(instance);
  const Arena::Allocation run = instance.arena.allocate(pages, alignment);
  tend(instance);
  return run;
}

Arena::Allocation allocate_to_grow(Instance& instance, std::uint64_t pages) noexcept {
  if (own_stock(instance) != nullptr) return allocate(instance, pages, 1);
  free_deferred(instance);
  const Arena::Allocation run = instance.arena.allocate_to_grow(pages);
  tend(instance);
  return run;
}

void tend(Instance& instance) noexcept {
  if (!may_not_wait(instance)) instance.arena.tend();
}

bool deallocate(Instance& instance, char* address, std::uint64_t& pages, Arena::Use use) noexcept {
  RealtimeBudget& budget = instance.realtime;
  const auto to_arena = [&] {
    const bool freed = instance.arena.deallocate(address, pages, use);
    instance.arena.tend();
    return freed;
  };
  if (budget.count == 0) return to_arena();
  const Pagemap& pagemap = instance.arena.pagemap();
  const PageNumber first = page_number(address);
  Stock* const own = own_stock(instance);
  Stock* const owner = budget.owner_of(first);
  if (owner == nullptr && own == nullptr) {
    free_deferred(instance);
    return to_arena();
  }
  if (!part(pagemap, first, pages)) return false;
  if (owner == nullptr) {
    budget.deferred.push(pagemap, first);
  } else if (owner != own) {
    owner->returned.push(pagemap, first);
  } else {
    put(pagemap, *own, {first, pages});
    BERTH_TSAN_RELEASE(own);
  }
  return true;
}

Arena::Resize resize(Instance& instance, char* address, std::uint64_t pages, std::uint64_t& old_pages) noexcept {
  const Pagemap& pagemap = instance.arena.pagemap();
  const PageNumber first = page_number(address);
  Stock* const own = own_stock(instance);
  Stock* const owner = instance.realtime.owner_of(first);
  if (own == nullptr && owner == nullptr) return instance.arena.resize(address, pages, old_pages);
  const std::uint64_t word = pagemap.word(first);
  if (page_word::kind(word) != PageKind::Run) return Arena::Resize::NotARun;
  old_pages = page_word::value(word);
  if (pages == old_pages) return Arena::Resize::Done;
  if (own != owner) return Arena::Resize::Refused;
  const Arena::Resize answer = resize_in(pagemap, *own, {first, old_pages}, pages);
  BERTH_TSAN_RELEASE(own);
  return answer;
}

char* relocate(Instance& instance, char* address, std::uint64_t pages, bool to_huge_pages) noexcept {
  const bool real_time = instance.realtime.owner_of(page_number(address)) != nullptr || own_stock(instance) != nullptr;
  return real_time ? nullptr : instance.arena.relocate(address, pages, to_huge_pages);
}

void free_deferred(Instance& instance) noexcept {
  const Pagemap& pagemap = instance.arena.pagemap();
  for_each(pagemap, instance.realtime.deferred.take_all(), [&](PageRun run) {
    const std::uint64_t word = pagemap.word(run.first);
    if ((word & kStatesBit) != 0) {
      instance.block_states.remove_slab(run.first, static_cast<std::uint32_t>(run.pages));
    }
    pagemap.set_word(run.first, page_word::with_kind(word & ~kStatesBit, PageKind::Run));
    std::uint64_t pages = 0;
    instance.arena.deallocate(page_address(run.first), pages);
    BERTH_ASSERT(pages == run.pages);
  });
}

bool own_again(Instance& instance) noexcept {
  const auto populate = [](const Pages& part) { return pal::populate(part.low, part.bytes); };
  const RealtimeBudget& budget = instance.realtime;
  if (budget.count == 0) return true;
  for (const Stock& stock : budget.all()) {
    const ThreadCache* const cache = cache_of(instance, stock.owner.load(std::memory_order_relaxed));
    if (cache != nullptr && !populate({cache, cache + 1})) return false;
  }
  return for_each_part(instance, populate);
}

void abandon_stocks_of_others(Instance& instance) noexcept {
  instance.realtime.inherited.store(true, std::memory_order_relaxed);
  for (Stock& stock : instance.realtime.all()) {
    const ThreadKey key = stock.owner.load(std::memory_order_relaxed);
    if (key != kNobody && key != thread_key) stock.owner.store(kAbandoned, std::memory_order_relaxed);
  }
}

}  // namespace realtime

}  // namespace berth::core
