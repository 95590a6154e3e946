// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
#include "compare/c_library_allocator.hpp"

#include <malloc.h>

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <cstring>

namespace sample_host {
namespace {

constexpr std::size_t kNaturalAlignment = alignof(std::max_align_t);

void* allocate(berth_allocator*, std::size_t size) { return std::malloc(size); }
void* allocate_zeroed(berth_allocator*, std::size_t count, std::size_t size) { return std::calloc(count, size); }

void* allocate_aligned(berth_allocator*, std::size_t alignment, std::size_t size) {
  void* block = nullptr;
  return posix_memalign(&block, std::max(alignment, sizeof(void*)), size) == 0 ? block : nullptr;
}

void* reallocate(berth_allocator* self, void* block, std::size_t alignment, std::size_t size) {
  if (alignment <= kNaturalAlignment) return std::realloc(block, std::max<std::size_t>(size, 1));
  void* moved = allocate_aligned(self, alignment, size);
  if (moved != nullptr && block != nullptr) {
    std::memcpy(moved, block, std::min(size, malloc_usable_size(block)));
    std::free(block);
  }
  return moved;
}

void deallocate(berth_allocator*, void* block) { std::free(block); }
void deallocate_sized(berth_allocator*, void* block, std::size_t, std::size_t) { std::free(block); }
std::size_t usable_size(berth_allocator*, const void* block) { return malloc_usable_size(const_cast<void*>(block)); }
bool owns(berth_allocator*, const void*) { return false; }  // nobody can tell

}  // namespace

berth_allocator* c_library_allocator() {
  static berth_allocator handle{
      sizeof(berth_allocator), BERTH_ALLOCATOR_ABI, allocate, allocate_zeroed, allocate_aligned, reallocate, deallocate,
      deallocate_sized,        usable_size,         owns,
  };
  return &handle;
}

}  // namespace sample_host
