// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
#include "allocator/blocks/large_blocks.hpp"

#include <algorithm>

namespace berth::core::large_blocks {

namespace {

void* count(Instance& instance, const Arena::Allocation& run, std::uint64_t run_pages) noexcept {
  if (run.address == nullptr) return nullptr;
  instance.large_blocks.fetch_add(1, std::memory_order_relaxed);
  instance.large_bytes.fetch_add(static_cast<std::size_t>(run_pages) * pal::kPageSize, std::memory_order_relaxed);
  instance.large_allocations.fetch_add(1, std::memory_order_relaxed);
  return run.address;
}

}  // namespace

void* allocate(Instance& instance, std::size_t alignment, std::size_t size, bool& zero) noexcept {
  const std::uint64_t wanted = pages(size);
  const Arena::Allocation run = realtime::allocate(instance, wanted, std::max<std::uint64_t>(pages_for(alignment), 1));
  zero = run.zero;
  return count(instance, run, wanted);
}

void* allocate_to_grow(Instance& instance, std::size_t size) noexcept {
  const std::uint64_t wanted = pages(size);
  return count(instance, realtime::allocate_to_grow(instance, wanted), wanted);
}

bool deallocate(Instance& instance, void* block) noexcept {
  if (reinterpret_cast<std::uintptr_t>(block) % pal::kPageSize != 0) return false;
  std::uint64_t freed = 0;
  if (!realtime::deallocate(instance, static_cast<char*>(block), freed)) return false;
  instance.large_blocks.fetch_sub(1, std::memory_order_relaxed);
  instance.large_bytes.fetch_sub(static_cast<std::size_t>(freed) * pal::kPageSize, std::memory_order_relaxed);
  instance.large_deallocations.fetch_add(1, std::memory_order_relaxed);
  return true;
}

void* resize(Instance& instance, void* block, std::size_t old_size, std::size_t size, bool may_move) noexcept {
  const std::uint64_t new_pages = pages(size);
  std::uint64_t old_pages = 0;
  auto* const address = static_cast<char*>(block);
  void* resized = may_move ? realtime::relocate(instance, address, new_pages, true) : nullptr;
  if (resized == nullptr) {
    resized = block;
    if (realtime::resize(instance, address, new_pages, old_pages) != Arena::Resize::Done) {
      resized = may_move ? realtime::relocate(instance, address, new_pages, false) : nullptr;
    }
  }
  if (resized != block && resized != nullptr) {
    instance.large_allocations.fetch_add(1, std::memory_order_relaxed);
    instance.large_deallocations.fetch_add(1, std::memory_order_relaxed);
  }
  if (resized != nullptr) {
    instance.large_bytes.fetch_add(static_cast<std::size_t>(new_pages) * pal::kPageSize - old_size,
                                   std::memory_order_relaxed);  // wraps where it shrinks
  }
  return resized;
}

}  // namespace berth::core::large_blocks
