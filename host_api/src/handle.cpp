// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// The functions behind the handle; those of the fast paths contain them (allocator/operations.hpp).
#include "handle.hpp"

#include "allocator/operations.hpp"

namespace berth {

namespace {

void* allocate(berth_allocator* self, std::size_t size) { return core::allocate(instance_of(self), size); }

void* allocate_zeroed(berth_allocator* self, std::size_t count, std::size_t size) {
  return core::allocate_zeroed(instance_of(self), count, size);
}

void* allocate_aligned(berth_allocator* self, std::size_t alignment, std::size_t size) {
  return core::allocate_aligned(instance_of(self), alignment, size);
}

void* reallocate(berth_allocator* self, void* block, std::size_t alignment, std::size_t size) {
  return core::reallocate(instance_of(self), block, alignment, size, {"reallocate", __builtin_return_address(0), size});
}

void deallocate(berth_allocator* self, void* block) {
  core::deallocate(instance_of(self), block, "deallocate", __builtin_return_address(0));
}

void deallocate_sized(berth_allocator* self, void* block, std::size_t /*alignment*/, std::size_t size) {
  core::deallocate(instance_of(self), block, "deallocate_sized", __builtin_return_address(0), size);
}

std::size_t usable_size(berth_allocator* self, const void* block) {
  return core::usable_size(instance_of(self), block, {"usable_size", __builtin_return_address(0)});
}

bool owns(berth_allocator* self, const void* address) { return instance_of(self).contains(address); }

constexpr berth_allocator kImage = {
    sizeof(berth_allocator), BERTH_ALLOCATOR_ABI, allocate, allocate_zeroed, allocate_aligned, reallocate, deallocate,
    deallocate_sized,        usable_size,         owns};

}  // namespace

const berth_allocator& handle_image() noexcept { return kImage; }

}  // namespace berth
