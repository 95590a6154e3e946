// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
#include "allocator/large_blocks.hpp"

#include <algorithm>

namespace berth::core::large_blocks {

void* allocate(Instance& instance, std::size_t alignment, std::size_t size, bool& zero) noexcept {
  const std::uint64_t wanted = pages(size);
  const Arena::Allocation run = instance.arena.allocate(wanted, std::max<std::uint64_t>(pages_for(alignment), 1));
  if (run.address == nullptr) return nullptr;
  zero = run.zero;
  instance.large_blocks.fetch_add(1, std::memory_order_relaxed);
  instance.large_bytes.fetch_add(static_cast<std::size_t>(wanted) * pal::kPageSize, std::memory_order_relaxed);
  instance.large_allocations.fetch_add(1, std::memory_order_relaxed);
  return run.address;
}

bool deallocate(Instance& instance, void* block) noexcept {
  if (reinterpret_cast<std::uintptr_t>(block) % pal::kPageSize != 0) return false;
  std::uint64_t freed = 0;
  if (!instance.arena.deallocate(static_cast<char*>(block), freed)) return false;
  instance.large_blocks.fetch_sub(1, std::memory_order_relaxed);
  instance.large_bytes.fetch_sub(static_cast<std::size_t>(freed) * pal::kPageSize, std::memory_order_relaxed);
  instance.large_deallocations.fetch_add(1, std::memory_order_relaxed);
  return true;
}

bool resize(Instance& instance, void* block, std::size_t size) noexcept {
  std::uint64_t old_pages = 0;
  const std::uint64_t new_pages = pages(size);
  if (instance.arena.resize(static_cast<char*>(block), new_pages, old_pages) != Arena::Resize::Done) return false;
  instance.large_bytes.fetch_add(static_cast<std::size_t>(new_pages - old_pages) * pal::kPageSize,
                                 std::memory_order_relaxed);  // wraps where it shrinks
  return true;
}

}  // namespace berth::core::large_blocks
