// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
#include "allocator/blocks/large_blocks.hpp"

#include <algorithm>

namespace berth::core::large_blocks {

namespace {

constexpr unsigned kSlackShift = 32;
constexpr std::uint64_t kSlackMask = std::uint64_t{0x1fff} << kSlackShift;  // up to a whole page, of 0 bytes
constexpr std::uint64_t kMeasuredBit = std::uint64_t{1} << 45;
static_assert((kSlackMask & kMeasuredBit) == 0 && kMeasuredBit < realtime::kStatesBit &&
              realtime::kStatesBit < page_word::kMovedBit && (kSlackMask & page_word::kValueMask) == 0);

std::size_t bytes_of(std::uint64_t word) noexcept {
  return static_cast<std::size_t>(page_word::value(word)) * pal::kPageSize;
}

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
  if (!realtime::deallocate(instance, static_cast<char*>(block), freed, Arena::Use::LargeBlock)) return false;
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

void set_asked(Instance& instance, const void* block, std::size_t size) noexcept {
  // A plain change: nobody else may name the block yet, and nobody writes to the word of another's run.
  const PageNumber first = page_number(block);
  const std::uint64_t word = instance.arena.pagemap().word(first);
  const std::uint64_t slack = (bytes_of(word) - size) << kSlackShift;
  instance.arena.pagemap().set_word(first, (word & ~(kSlackMask | kMeasuredBit)) | slack);
}

void set_measured(Instance& instance, const void* block) noexcept {
  std::atomic<std::uint64_t>& place = instance.arena.pagemap().entry(page_number(block)).word;
  std::uint64_t word = place.load(std::memory_order_relaxed);
  // By CAS: the plugin may be freeing the block on another thread. Then the word is the arena's, and is left alone.
  // Relaxed: who names the size has heard of it after this.
  if (page_word::kind(word) == PageKind::Run) {
    place.compare_exchange_strong(word, word | kMeasuredBit, std::memory_order_relaxed);
  }
}

KnownSizes sizes(std::uint64_t word) noexcept {
  const std::size_t bytes = bytes_of(word);
  const auto slack = static_cast<std::size_t>((word & kSlackMask) >> kSlackShift);
  return {bytes - slack, (word & kMeasuredBit) != 0 ? bytes : bytes - slack};
}

}  // namespace berth::core::large_blocks
