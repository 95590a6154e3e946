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

bool is_same(const StackSum& sum, const char* const* names, std::uint32_t depth) noexcept {
  if (sum.depth != depth) return false;
  // Of those without frames the first name says what they are.
  const std::uint32_t count = depth != 0 ? depth : 1;
  for (std::uint32_t i = 0; i < count; ++i) {
    if (std::strcmp(sum.names[i], names[i]) != 0) return false;
  }
  return true;
}

void add_live(StackSums& sums, core::Instance& instance, core::sampling::Patience patience) noexcept {
  NamedStack named;
  for (std::uint32_t cursor = 0; named.read(instance, cursor, NamedStack::Which::Live, patience);) {
    sums.add(named.stack());
  }
}

}  // namespace

void StackSums::add(std::uint64_t bytes, std::uint64_t blocks, const char* const* names, std::uint32_t depth) noexcept {
  const std::size_t count = count_.load(std::memory_order_relaxed);
  for (std::size_t number = 0; number < count; ++number) {
    if (!is_same(sums_[number], names, depth)) continue;
    sums_[number].bytes += bytes;
    sums_[number].blocks += blocks;
    return;
  }
  static constexpr const char* kOthers = "other stacks";
  const bool is_others = depth == 0 && std::strcmp(names[0], kOthers) == 0;
  StackSum fresh;
  fresh.bytes = bytes;
  fresh.blocks = blocks;
  fresh.depth = depth;
  bool whole = count + (is_others ? 0 : 1) < kMost;
  for (std::uint32_t i = 0; whole && i < (depth != 0 ? depth : 1); ++i) {
    fresh.names[i] = keep(names[i]);
    whole = fresh.names[i] != nullptr;
  }
  if (whole) {
    sums_[count] = fresh;
    count_.store(count + 1, std::memory_order_release);
  } else if (!is_others) {
    add(bytes, blocks, &kOthers, 0);
  }
}

void StackSums::add(const berth_stack& stack) noexcept { add(stack.bytes, stack.blocks, stack.names, stack.depth); }
void StackSums::add(const StackSum& sum) noexcept { add(sum.bytes, sum.blocks, sum.names, sum.depth); }

void StackSums::sort() noexcept {
  std::sort(sums_.begin(), sums_.begin() + count(),
            [](const StackSum& a, const StackSum& b) { return a.bytes > b.bytes; });
}

core::Instance* instance_in(const Module& module) noexcept {
  berth_instance* const instance = module.instance.load(std::memory_order_acquire);
  return instance != nullptr ? core::registry::resolve(to_handle(instance)) : nullptr;
}

void add_forgotten_stacks(const Module& module) noexcept {
  core::Instance* const instance = instance_in(module);
  if (settings().sample_bytes == 0 || instance == nullptr) return;
  const pal::LockGuard held(adding);
  Record& record = *module.record;
  StackSums* sums = record.forgotten_stacks.load(std::memory_order_relaxed);
  if (sums == nullptr) {
    sums = store::make<StackSums>(1);
    if (sums == nullptr) return;
    record.forgotten_stacks.store(sums, std::memory_order_release);
  }
  add_live(*sums, *instance, core::sampling::Patience::Waits);
}

const StackSums* stacks_at_end(const Record& record) noexcept {
  if (settings().sample_bytes == 0) return nullptr;
  static constinit StackSums* all = nullptr;  // of the one thread that ends the process
  if (all == nullptr) all = store::make<StackSums>(1);
  if (all == nullptr) return nullptr;
  all->clear();
  if (const StackSums* forgotten = record.forgotten_stacks.load(std::memory_order_acquire)) {
    for (std::size_t number = 0; number < forgotten->count(); ++number) all->add((*forgotten)[number]);
  }
  table::for_each([&](const Module& module) noexcept {
    if (module.record != &record || module.forgotten_at_end.load(std::memory_order_relaxed)) return true;
    if (core::Instance* instance = instance_in(module)) add_live(*all, *instance, core::sampling::Patience::AtEnd);
    return true;
  });
  all->sort();
  return all;
}

}  // namespace berth::routing
