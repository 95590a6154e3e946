// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
#include "host_api/src/routing/stack_sums.hpp"

#include <algorithm>
#include <cstring>

#include "allocator/registry.hpp"
#include "host_api/src/c_abi/instance_handle.hpp"
#include "host_api/src/profiling/stacks.hpp"
#include "host_api/src/routing/module_table.hpp"
#include "host_api/src/routing/store.hpp"

namespace berth::routing {

namespace {

using profiling::NamedStack;

// Taken by ends of instances; any of them may wait.
constinit pal::Lock adding{pal::LockRank::Host};

// Names are kept for ever, but not without end. Under the lock.
constexpr std::size_t kMostNameBytes = std::size_t{8} << 20;
constinit std::size_t name_bytes = 0;

const char* keep(const char* name) noexcept {
  const std::size_t length = std::strlen(name);
  if (name_bytes + length > kMostNameBytes) return nullptr;
  name_bytes += length;
  return store::copy(name, length);
}

// Many frames lie in few modules. Under the lock; at the end of a process, of its one thread.
constinit std::array<const char*, 256> module_texts{};

const char* keep_module(const char* text) noexcept {
  if (text == nullptr) return nullptr;
  for (const char*& known : module_texts) {
    if (known == nullptr) known = keep(text);
    if (known == nullptr || std::strcmp(known, text) == 0) return known;
  }
  return nullptr;  // one of too many: unknown
}

bool is_same(const StackSum& sum, const char* const* names, const core::FramePlace* places,
             std::uint32_t depth) noexcept {
  if (sum.depth != depth) return false;
  // Of those without frames the first name says what they are.
  const std::uint32_t count = depth != 0 ? depth : 1;
  for (std::uint32_t i = 0; i < count; ++i) {
    if (std::strcmp(sum.names[i], names[i]) != 0) return false;
    // A file that was built again between two loads may have the same names at other places.
    if (depth == 0 || sum.places[i].module == nullptr || places[i].module == nullptr) continue;
    if (sum.places[i].offset != places[i].offset) return false;
    if (std::strcmp(sum.places[i].module, places[i].module) != 0) return false;
  }
  return true;
}

void add_to(StackSum::Weight& sum, std::uint64_t bytes, std::uint64_t blocks) noexcept {
  sum.bytes += bytes;
  sum.blocks += blocks;
}

void clear_weights(StackSum& sum) noexcept { sum.forgotten = sum.live = sum.peak = {}; }

}  // namespace

void CycleStacks::add(std::uint32_t number, std::uint64_t left, std::uint64_t peak) noexcept {
  if (left == 0 && peak == 0) return;
  Entry* entry = nullptr;
  for (std::size_t i = 0; i < count && entry == nullptr; ++i) {
    if (entries[i].number == number) entry = &entries[i];
  }
  if (entry == nullptr && count < kMost - 1) {
    entry = &entries[count++];
    *entry = {number, 0, 0};
  } else if (entry == nullptr) {
    entry = &entries[kMost - 1];
    if (count < kMost) *entry = {kOthers, 0, 0};
    count = kMost;
  }
  entry->left += left;
  entry->peak += peak;
}

StackSum& StackSums::find(const char* const* names, const core::FramePlace* places, std::uint32_t depth) noexcept {
  std::size_t count = count_.load(std::memory_order_relaxed);
  // The first one is for all that there is no room for.
  if (count == 0) {
    sums_[0] = {};
    sums_[0].names[0] = profiling::name_of(core::StackKind::Others);
    count_.store(count = 1, std::memory_order_release);
  }
  for (std::size_t number = 0; number < count; ++number) {
    if (is_same(sums_[number], names, places, depth)) return sums_[number];
  }
  if (count == kMost) return sums_[0];
  StackSum fresh;
  fresh.depth = depth;
  fresh.number = static_cast<std::uint32_t>(count);
  for (std::uint32_t i = 0; i < (depth != 0 ? depth : 1); ++i) {
    fresh.names[i] = keep(names[i]);
    if (fresh.names[i] == nullptr) return sums_[0];
    if (depth != 0) fresh.places[i] = {keep_module(places[i].module), places[i].offset};
  }
  sums_[count] = fresh;
  count_.store(count + 1, std::memory_order_release);
  return sums_[count];
}

void StackSums::add_live(core::Instance& instance, core::sampling::Patience patience,
                         StackSum::Weight StackSum::*as) noexcept {
  NamedStack named;
  for (std::uint32_t cursor = 0; named.read(instance, cursor, NamedStack::Which::Live, patience);) {
    const berth_stack& stack = named.stack();
    add_to(find(stack.names, named.places(), stack.depth).*as, stack.bytes, stack.blocks);
  }
}

void StackSums::add_peak(core::Instance& instance, core::sampling::Patience patience, CycleStacks* cycle) noexcept {
  std::uint64_t peak = 0;
  core::StackCopy copy;
  for (std::uint32_t cursor = 0; core::sampling::read(instance, cursor, copy, patience);) peak += copy.sums.peak.bytes;
  const bool is_highest = peak > peak_bytes_;
  if (!is_highest && cycle == nullptr) return;
  if (is_highest) {
    peak_bytes_ = peak;
    for (std::size_t number = 0; number < count(); ++number) sums_[number].peak = {};
  }
  if (cycle != nullptr) cycle->count = 0;
  NamedStack named;
  for (std::uint32_t cursor = 0; named.read(instance, cursor, NamedStack::Which::Held, patience);) {
    const berth_stack& stack = named.stack();
    StackSum& sum = find(stack.names, named.places(), stack.depth);
    if (is_highest) add_to(sum.peak, stack.peak_bytes, stack.peak_blocks);
    if (cycle != nullptr) cycle->add(sum.number, stack.bytes, stack.peak_bytes);
  }
}

void StackSums::add(const StackSums& others) noexcept {
  const std::size_t count = others.count();
  for (std::size_t number = 0; number < count; ++number) {
    const StackSum& other = others.sums_[number];
    StackSum& sum = find(other.names, other.places, other.depth);
    add_to(sum.forgotten, other.forgotten.bytes, other.forgotten.blocks);
    add_to(sum.live, other.live.bytes, other.live.blocks);
    add_to(sum.peak, other.peak.bytes, other.peak.blocks);
  }
  peak_bytes_ = others.peak_bytes_;
  cycles_ = others.cycles_;
}

void StackSums::clear() noexcept {
  const std::size_t count = count_.load(std::memory_order_relaxed);
  for (std::size_t number = 0; number < count; ++number) clear_weights(sums_[number]);
  for (CycleStacks& cycle : cycles_) cycle.count = 0;
  count_.store(0, std::memory_order_relaxed);
  peak_bytes_ = 0;
}

void StackSums::sort() noexcept {
  std::sort(sums_.begin(), sums_.begin() + count(), [](const StackSum& a, const StackSum& b) {
    return a.bytes() != b.bytes() ? a.bytes() > b.bytes() : a.peak.bytes > b.peak.bytes;
  });
}

core::Instance* instance_in(const Module& module) noexcept {
  berth_instance* const instance = module.instance.load(std::memory_order_acquire);
  return instance != nullptr ? core::registry::resolve(to_handle(instance)) : nullptr;
}

namespace {

// Under the lock. Null: there is no memory.
StackSums* sums_of(Record& record) noexcept {
  StackSums* sums = record.forgotten_stacks.load(std::memory_order_relaxed);
  if (sums != nullptr) return sums;
  sums = store::make<StackSums>(1);
  if (sums != nullptr) record.forgotten_stacks.store(sums, std::memory_order_release);
  return sums;
}

}  // namespace

void note_cycle_stacks(const Module& module) noexcept {
  core::Instance* const instance = instance_in(module);
  if (settings().sample_bytes == 0 || instance == nullptr) return;
  const pal::LockGuard held(adding);
  Record& record = *module.record;
  const History* const history = record.history.load(std::memory_order_acquire);
  const std::uint64_t number = history != nullptr ? history->ended() : 0;
  if (StackSums* sums = sums_of(record)) {
    sums->add_peak(*instance, core::sampling::Patience::Waits, &sums->cycle(number));
  }
}

void add_forgotten_stacks(const Module& module) noexcept {
  core::Instance* const instance = instance_in(module);
  if (settings().sample_bytes == 0 || instance == nullptr) return;
  const pal::LockGuard held(adding);
  if (StackSums* sums = sums_of(*module.record)) {
    sums->add_live(*instance, core::sampling::Patience::Waits, &StackSum::forgotten);
  }
}

const StackSums* stacks_at_end(const Record& record) noexcept {
  if (settings().sample_bytes == 0) return nullptr;
  static constinit StackSums* all = nullptr;  // of the one thread that ends the process
  if (all == nullptr) all = store::make<StackSums>(1);
  if (all == nullptr) return nullptr;
  all->clear();
  if (const StackSums* forgotten = record.forgotten_stacks.load(std::memory_order_acquire)) all->add(*forgotten);
  table::for_each([&](const Module& module) noexcept {
    if (module.record != &record || module.forgotten_at_end.load(std::memory_order_relaxed)) return true;
    if (core::Instance* instance = instance_in(module)) {
      all->add_live(*instance, core::sampling::Patience::AtEnd, &StackSum::live);
      all->add_peak(*instance, core::sampling::Patience::AtEnd, nullptr);
    }
    return true;
  });
  all->sort();
  return all;
}

}  // namespace berth::routing
