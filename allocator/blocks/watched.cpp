// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
#include "allocator/blocks/watched.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>

#include "allocator/misuse/inspect.hpp"
#include "arenas/memcheck.hpp"

namespace berth::core {

namespace {

using memcheck::kBetween;
using memcheck::Quiet;
constexpr Hardening kWatched = Hardening::Watched;
constexpr Hardening kBelow = Hardening::Checked;  // what does the work

// Else a block whose size is just that of its class would end where the next one begins.
std::size_t with_distance(std::size_t size) noexcept {
  return size <= SIZE_MAX - kBetween ? size + kBetween : size;  // which no instance has
}

bool is_live(Instance& instance, const void* block) noexcept {
  const Place place = inspect(instance, block);
  return place.block == block && (place.kind == PlaceKind::SmallBlock || place.kind == PlaceKind::LargeBlock);
}

std::size_t bytes_of(Instance& instance, const void* block) noexcept { return inspect(instance, block).block_bytes; }

void* watch(Instance& instance, void* block, std::size_t size) noexcept {
  if (block == nullptr) return nullptr;
  memcheck::hide(block, bytes_of(instance, block));
  memcheck::make_block(&instance, block, size);
  return block;
}

// A block ends before its memory can be another's. If Berth then refuses to free it, it is as before, but that all of
// what it holds counts as defined.
template <typename Free>
void deallocate_by(Instance& instance, void* block, Free free) noexcept {
  memcheck::check_defined(block);
  const bool was_live = is_live(instance, block);
  const std::size_t size = was_live ? memcheck::accessible(block, bytes_of(instance, block)) : 0;
  if (was_live) memcheck::end_block(&instance, block);
  bool is_refused = false;
  {
    const Quiet quiet;
    is_refused = !free();
  }
  if (!was_live || !is_refused) return;
  memcheck::make_block(&instance, block, size);
  memcheck::define(block, size);
}

}  // namespace

template <>
void* allocate_slow<kWatched>(Instance& instance, std::size_t size, const char* operation,
                              const void* caller) noexcept {
  memcheck::check_defined(size);
  const Quiet quiet;
  return watch(instance, allocate<kBelow>(instance, with_distance(size), operation, caller), size);
}

template <>
void* allocate_zeroed<kWatched>(Instance& instance, std::size_t count, std::size_t size, const Call& call) noexcept {
  memcheck::check_defined(count);
  memcheck::check_defined(size);
  std::size_t bytes = 0;
  if (__builtin_mul_overflow(count, size, &bytes)) bytes = SIZE_MAX;
  const Quiet quiet;
  void* block = watch(instance, allocate_zeroed<kBelow>(instance, 1, with_distance(bytes), call), bytes);
  if (block != nullptr) memcheck::define(block, bytes);
  return block;
}

template <>
void* allocate_aligned<kWatched>(Instance& instance, std::size_t alignment, std::size_t size,
                                 const Call& call) noexcept {
  memcheck::check_defined(alignment);
  memcheck::check_defined(size);
  const Quiet quiet;
  return watch(instance, allocate_aligned<kBelow>(instance, alignment, with_distance(size), call), size);
}

template <>
void* reallocate<kWatched>(Instance& instance, void* block, std::size_t alignment, std::size_t size,
                           const Call& call) noexcept {
  memcheck::check_defined(block);
  if (block != nullptr && !is_live(instance, block)) {
    const Quiet quiet;
    return reallocate<kBelow>(instance, block, alignment, with_distance(size), call);  // tells of it
  }
  void* moved = alignment == 0 ? allocate<kWatched>(instance, size, call.operation, call.caller)
                               : allocate_aligned<kWatched>(instance, alignment, size, call);
  if (block == nullptr || moved == nullptr) return moved;
  std::memcpy(moved, block, std::min(memcheck::accessible(block, bytes_of(instance, block)), size));
  deallocate<kWatched>(instance, block, call.operation, call.caller);
  return moved;
}

template <>
void deallocate_rest<kWatched>(Instance& instance, void* block, Freed, const char* operation, const void* caller,
                               std::size_t size) noexcept {
  if (block == nullptr) return;
  deallocate_by(instance, block, [&] {
    deallocate<kBelow>(instance, block, operation, caller, size);
    return true;
  });
}

template <>
void deallocate_sized<kWatched>(Instance& instance, void* block, std::size_t alignment, std::size_t size,
                                const Call& call) noexcept {
  if (block == nullptr) return;
  deallocate_by(instance, block, [&] {
    const bool matches = is_of_request<kBelow>(instance, block, alignment, with_distance(size));
    deallocate_sized<kBelow>(instance, block, alignment, with_distance(size), call);
    return matches;
  });
}

template <>
std::size_t usable_size<kWatched>(Instance& instance, const void* block, const Call& call) noexcept {
  memcheck::check_defined(block);
  std::size_t bytes = 0;
  {
    const Quiet quiet;
    bytes = usable_size<kBelow>(instance, block, call);
  }
  if (bytes == 0) return 0;
  const std::size_t usable = bytes - kBetween;
  const std::size_t asked = memcheck::accessible(block, bytes);
  if (asked >= usable) return usable;
  memcheck::resize_block(&instance, block, usable);
  memcheck::undefine(static_cast<const char*>(block) + asked, usable - asked);
  return usable;
}

}  // namespace berth::core
