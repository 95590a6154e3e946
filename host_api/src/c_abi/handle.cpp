// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// The functions behind the handle, a set for each hardening level; those of the fast paths contain them
// (allocator/operations.hpp).
#include "host_api/src/c_abi/handle.hpp"

#include "allocator/blocks/hand_out.hpp"
#include "allocator/blocks/watched.hpp"
#include "allocator/operations.hpp"
#include "allocator/sampling/sampled_operations.hpp"
#include "allocator/threads/tsan.hpp"

namespace berth {

namespace {

using core::Hardening;

template <Hardening kLevel>
void* allocate(berth_allocator* self, std::size_t size) {
  core::Instance& instance = instance_of(self);
  void* block = core::allocate_fast<kLevel>(instance, size);
  if (block == nullptr) [[unlikely]] {
    block = core::allocate_slow<kLevel>(instance, size, "allocate", __builtin_return_address(0));
  }
  // A guarded block of this size knows it already.
  return core::hand_out < kLevel == Hardening::Guarded ? Hardening::Checked : kLevel > (instance, block, 0, size);
}

template <Hardening kLevel>
void* allocate_zeroed(berth_allocator* self, std::size_t count, std::size_t size) {
  return core::allocate_zeroed<kLevel>(instance_of(self), count, size,
                                       {"allocate_zeroed", __builtin_return_address(0), size});
}

template <Hardening kLevel>
void* allocate_aligned(berth_allocator* self, std::size_t alignment, std::size_t size) {
  core::Instance& instance = instance_of(self);
  const core::Call call = {"allocate_aligned", __builtin_return_address(0), size};
  void* block = core::allocate_aligned<kLevel>(instance, alignment, size, call);
  return core::hand_out<kLevel>(instance, block, alignment, size);
}

template <Hardening kLevel>
void* reallocate(berth_allocator* self, void* block, std::size_t alignment, std::size_t size) {
  return core::reallocate<kLevel>(instance_of(self), block, alignment, size,
                                  {"reallocate", __builtin_return_address(0), size});
}

template <Hardening kLevel>
void deallocate(berth_allocator* self, void* block) {
  core::Instance& instance = instance_of(self);
  const core::Freed done = core::deallocate_fast<kLevel>(instance, block);
  if (done == core::Freed::Whole) [[likely]]
    return;
  core::deallocate_rest<kLevel>(instance, block, done, "deallocate", __builtin_return_address(0), 0);
}

template <Hardening kLevel>
void deallocate_sized(berth_allocator* self, void* block, std::size_t alignment, std::size_t size) {
  if constexpr (kLevel == Hardening::Fast) {
    core::Instance& instance = instance_of(self);
    const core::Freed done = core::deallocate_fast<kLevel>(instance, block);
    if (done == core::Freed::Whole) [[likely]]
      return;
    core::deallocate_rest<kLevel>(instance, block, done, "deallocate_sized", __builtin_return_address(0), size);
  } else {
    core::deallocate_sized<kLevel>(instance_of(self), block, alignment, size,
                                   {"deallocate_sized", __builtin_return_address(0), size});
  }
}

template <Hardening kLevel>
std::size_t usable_size(berth_allocator* self, const void* block) {
  return core::usable_size<kLevel>(instance_of(self), block, {"usable_size", __builtin_return_address(0)});
}

bool owns(berth_allocator* self, const void* address) { return instance_of(self).contains(address); }

// While sampling is on.

template <Hardening kLevel>
void* allocate_sampled(berth_allocator* self, std::size_t size) {
  core::Instance& instance = instance_of(self);
  void* block = core::allocate_sampled<kLevel>(instance, size, {"allocate", __builtin_return_address(0), size});
  return core::hand_out<kLevel>(instance, block, 0, size);
}

template <Hardening kLevel>
void* allocate_zeroed_sampled(berth_allocator* self, std::size_t count, std::size_t size) {
  return core::allocate_zeroed_sampled<kLevel>(instance_of(self), count, size,
                                               {"allocate_zeroed", __builtin_return_address(0), size});
}

template <Hardening kLevel>
void* allocate_aligned_sampled(berth_allocator* self, std::size_t alignment, std::size_t size) {
  core::Instance& instance = instance_of(self);
  const core::Call call = {"allocate_aligned", __builtin_return_address(0), size};
  void* block = core::allocate_aligned_sampled<kLevel>(instance, alignment, size, call);
  return core::hand_out<kLevel>(instance, block, alignment, size);
}

template <Hardening kLevel>
void* reallocate_sampled(berth_allocator* self, void* block, std::size_t alignment, std::size_t size) {
  return core::reallocate_sampled<kLevel>(instance_of(self), block, alignment, size,
                                          {"reallocate", __builtin_return_address(0), size});
}

template <Hardening kLevel>
constexpr berth_allocator image() {
  return {sizeof(berth_allocator),  BERTH_ALLOCATOR_ABI,
          allocate<kLevel>,         allocate_zeroed<kLevel>,
          allocate_aligned<kLevel>, reallocate<kLevel>,
          deallocate<kLevel>,       deallocate_sized<kLevel>,
          usable_size<kLevel>,      owns};
}

template <Hardening kLevel>
constexpr berth_allocator sampled_image() {
  berth_allocator image = berth::image<kLevel>();
  image.allocate = allocate_sampled<kLevel>;
  image.allocate_zeroed = allocate_zeroed_sampled<kLevel>;
  image.allocate_aligned = allocate_aligned_sampled<kLevel>;
  image.reallocate = reallocate_sampled<kLevel>;
  return image;
}

constexpr berth_allocator kChecked = image<Hardening::Checked>();
constexpr berth_allocator kGuarded = image<Hardening::Guarded>();
constexpr berth_allocator kFastSampled = sampled_image<Hardening::Fast>();
constexpr berth_allocator kCheckedSampled = sampled_image<Hardening::Checked>();
constexpr berth_allocator kGuardedSampled = sampled_image<Hardening::Guarded>();
constexpr berth_allocator kWatched = image<Hardening::Watched>();

}  // namespace

constinit const berth_allocator kFastHandle = image<Hardening::Fast>();

const berth_allocator& handle_image(Hardening level) noexcept {
  switch (level) {
    case Hardening::Fast: return kFastHandle;
    case Hardening::Checked: return kChecked;
    case Hardening::Guarded: return kGuarded;
    case Hardening::Watched: return kWatched;
  }
  return kFastHandle;
}

namespace {

const berth_allocator& sampled_handle_image(Hardening level) noexcept {
  switch (level) {
    case Hardening::Fast: return kFastSampled;
    case Hardening::Checked: return kCheckedSampled;
    case Hardening::Guarded: return kGuardedSampled;
    case Hardening::Watched: return kWatched;  // without samples
  }
  return kFastHandle;
}

// One pointer at a time, each whole: a thread that calls meanwhile gets the old function or the new one, and both serve
// any block. What plugins read is plain memory, so ThreadSanitizer is not told of the write (BERTH_UNSEEN_BY_TSAN).
template <typename Function>
BERTH_UNSEEN_BY_TSAN void exchange(Function& there, Function function) noexcept {
  __atomic_store_n(&there, function, __ATOMIC_RELAXED);
}

}  // namespace

void set_sampled(core::Instance& instance, bool sampled) noexcept {
  berth_allocator& handle = *handle_of(instance);
  const berth_allocator& image = sampled ? sampled_handle_image(instance.hardening) : handle_image(instance.hardening);
  exchange(handle.allocate, image.allocate);
  exchange(handle.allocate_zeroed, image.allocate_zeroed);
  exchange(handle.allocate_aligned, image.allocate_aligned);
  exchange(handle.reallocate, image.reallocate);
}

}  // namespace berth
