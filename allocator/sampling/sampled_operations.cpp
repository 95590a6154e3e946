// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
#include "allocator/sampling/sampled_operations.hpp"

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>

#include "allocator/blocks/hand_out.hpp"
#include "allocator/blocks/large_blocks.hpp"
#include "allocator/misuse/inspect.hpp"
#include "arenas/asan.hpp"

namespace berth::core {

namespace {

// The usable bytes of a request's block.
std::size_t usable_bytes(unsigned size_class, std::size_t size) noexcept {
  if (size_class != kNoClass) return size_class::kTable[size_class].block_bytes;
  constexpr std::uint64_t kMostPages = PTRDIFF_MAX >> pal::kPageShift;  // no instance has more
  return static_cast<std::size_t>(std::min<std::uint64_t>(large_blocks::pages(size), kMostPages)) * pal::kPageSize;
}

// A small block whose free takes the slow path, whoever frees it. Null: there is none to have now.
template <Hardening kLevel>
void* take_apart(Instance& instance, unsigned size_class, std::size_t size) noexcept {
  if (kLevel == Hardening::Guarded && guarded_blocks::is_drawn(instance.guard)) {
    if (void* block = guarded_blocks::allocate(instance, size_class, 0, size)) return block;
  }
  const pal::LockGuard held(instance.shared_lock);
  ThreadCache* const cache = shared_cache(instance);
  if (cache == nullptr) return nullptr;
  Bin& bin = cache->bins[size_class];
  if (bin.allocate_list == nullptr && !small_blocks::refill(instance, *cache, size_class)) return nullptr;
  void* block = small_blocks::pop<kLevel>(bin, instance, size_class::kTable[size_class].block_bytes);
  if (block == nullptr) small_blocks::drop_corrupt(instance, bin);
  return block;
}

// A block that is a sample, by `plain` where it is large: its pages are its own, and so is its free. Where memory is
// short it is one that `plain` gets, and no sample. `apart` tells whether it came from elsewhere than `plain`.
template <Hardening kLevel, typename Plain>
void* take_sample(Instance& instance, unsigned size_class, std::size_t size, const Call& call, bool& apart,
                  Plain plain) noexcept {
  const std::size_t bytes = usable_bytes(size_class, size);
  sampling::Walk walk(instance, call.caller);
  apart = false;
  if (!walk.may_wait()) {
    void* const block = plain();
    walk.tell_unwatched(block, bytes);
    return block;
  }
  if (size_class == kNoClass) {
    void* const block = plain();
    walk.tell(block, bytes);
    return block;
  }
  void* const block = take_apart<kLevel>(instance, size_class, size);
  if constexpr (kLevel != Hardening::Fast) misuse::report_findings(instance, call);
  apart = block != nullptr;
  walk.tell(block, bytes);
  return apart ? block : plain();
}

bool is_alignment(std::size_t alignment) noexcept { return std::has_single_bit(alignment); }

}  // namespace

template <Hardening kLevel>
void* allocate_sampled(Instance& instance, std::size_t size, const Call& call) noexcept {
  const unsigned size_class = size_class::of_request(0, size);
  const auto plain = [&]() noexcept { return allocate<kLevel>(instance, size, call.operation, call.caller); };
  if (!sampling::is_turn(instance, usable_bytes(size_class, size))) return plain();
  bool apart = false;
  return take_sample<kLevel>(instance, size_class, size, call, apart, plain);
}

template <Hardening kLevel>
void* allocate_zeroed_sampled(Instance& instance, std::size_t count, std::size_t size, const Call& call) noexcept {
  const auto plain = [&]() noexcept { return allocate_zeroed<kLevel>(instance, count, size, call); };
  std::size_t bytes = 0;
  if (__builtin_mul_overflow(count, size, &bytes)) return plain();
  const unsigned size_class = size_class::of_request(0, bytes);
  if (!sampling::is_turn(instance, usable_bytes(size_class, bytes))) return plain();
  bool apart = false;
  void* const block = take_sample<kLevel>(instance, size_class, bytes, call, apart, plain);
  if (apart) std::memset(hand_out<kLevel>(instance, block, 0, bytes), 0, bytes);
  return block;
}

template <Hardening kLevel>
void* allocate_aligned_sampled(Instance& instance, std::size_t alignment, std::size_t size, const Call& call) noexcept {
  const auto plain = [&]() noexcept { return allocate_aligned<kLevel>(instance, alignment, size, call); };
  if (!is_alignment(alignment)) return plain();
  const unsigned size_class = size_class::of_request(alignment, size);
  if (!sampling::is_turn(instance, usable_bytes(size_class, size))) return plain();
  bool apart = false;
  return take_sample<kLevel>(instance, size_class, size, call, apart, plain);
}

template <Hardening kLevel>
void* reallocate_sampled(Instance& instance, void* block, std::size_t alignment, std::size_t size,
                         const Call& call) noexcept {
  if (block == nullptr && alignment == 0) {
    return hand_out<kLevel>(instance, allocate_sampled<kLevel>(instance, size, call), 0, size);
  }
  if (block == nullptr && is_alignment(alignment)) {
    return hand_out<kLevel>(instance, allocate_aligned_sampled<kLevel>(instance, alignment, size, call), alignment,
                            size);
  }
  const auto plain = [&]() noexcept { return reallocate<kLevel>(instance, block, alignment, size, call); };
  const Place old = inspect(instance, block);
  const bool is_block = old.block == block && (old.kind == PlaceKind::SmallBlock || old.kind == PlaceKind::LargeBlock);
  // What is none, or no alignment, is `plain`'s to refuse.
  if (!is_block || (alignment != 0 && !is_alignment(alignment))) return plain();
  // `plain` looks at its canaries first.
  if (kLevel == Hardening::Guarded && guarded_blocks::at(instance, block).live) return plain();
  const unsigned size_class = size_class::of_request(alignment, size);
  const std::size_t bytes = usable_bytes(size_class, size);
  const bool aligned = alignment == 0 || (reinterpret_cast<std::uintptr_t>(block) & (alignment - 1)) == 0;
  if (bytes == old.block_bytes && aligned) return plain();  // the same block
  if (size_class == kNoClass) {
    // It may stay where it is, or take its pages along: either way it is another block now.
    sampling::Aside aside(instance, block);
    if (!sampling::is_turn(instance, bytes)) {
      void* const moved = plain();
      if (moved == nullptr) aside.restore();
      return moved;
    }
    bool apart = false;
    void* const moved = take_sample<kLevel>(instance, size_class, size, call, apart, plain);
    if (moved == nullptr) aside.restore();
    return moved;
  }
  if (!sampling::is_turn(instance, bytes)) return plain();
  bool apart = false;
  // `plain` frees the old block itself.
  void* const moved = take_sample<kLevel>(instance, size_class, size, call, apart, plain);
  if (!apart) return moved;
  hand_out<kLevel>(instance, moved, alignment, size);
  asan::unpoison(block, old.block_bytes);  // the caller asked for less of it
  std::memcpy(moved, block, std::min(old.block_bytes, size));
  deallocate<kLevel>(instance, block, call.operation, call.caller);
  return moved;
}

#define BERTH_SAMPLED_OPERATIONS(level)                                                                      \
  template void* allocate_sampled<level>(Instance&, std::size_t, const Call&) noexcept;                      \
  template void* allocate_zeroed_sampled<level>(Instance&, std::size_t, std::size_t, const Call&) noexcept;  \
  template void* allocate_aligned_sampled<level>(Instance&, std::size_t, std::size_t, const Call&) noexcept; \
  template void* reallocate_sampled<level>(Instance&, void*, std::size_t, std::size_t, const Call&) noexcept
BERTH_SAMPLED_OPERATIONS(Hardening::Fast);
BERTH_SAMPLED_OPERATIONS(Hardening::Checked);
BERTH_SAMPLED_OPERATIONS(Hardening::Guarded);
#undef BERTH_SAMPLED_OPERATIONS

}  // namespace berth::core
