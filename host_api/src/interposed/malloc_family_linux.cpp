// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// The malloc family as every module of the process finds it. Who allocates decides where a block comes from; where it
// goes back to is decided by its address, never by who frees. All of it serves before any constructor has run.
#include <cerrno>
#include <cstdint>
#include <cstring>

#include "host_api/src/interposed/interposed.hpp"
#include "host_api/src/routing/blocks.hpp"
#include "host_api/src/routing/host_counts.hpp"
#include "host_api/src/routing/module_table.hpp"
#include "host_api/src/routing/real_allocator.hpp"

namespace berth::routing {

namespace {

bool is_power_of_two(std::size_t number) noexcept { return number != 0 && (number & (number - 1)) == 0; }

// As glibc's memalign takes any alignment: the next power of two. 0: there is none.
std::size_t round_alignment(std::size_t alignment) noexcept {
  std::size_t rounded = 16;
  while (rounded < alignment && rounded != 0) rounded <<= 1;
  return rounded;
}

void* no_memory() noexcept {
  errno = ENOMEM;
  return nullptr;
}

constexpr std::size_t kPage = 4096;

}  // namespace

void* allocate_for(const Site& site, std::size_t size) noexcept {
  if (Module* module = route(site)) {
    bool served = false;
    void* block = allocate(*module, size, served);
    if (served) return block;
  }
  host_counts::add_allocation();
  return real().malloc(size);
}

void* allocate_zeroed_for(const Site& site, std::size_t count, std::size_t size) noexcept {
  if (Module* module = route(site)) {
    std::size_t bytes = 0;
    if (__builtin_mul_overflow(count, size, &bytes)) return no_memory();
    bool served = false;
    void* block = allocate_zeroed(*module, bytes, served);
    if (served) return block;
  }
  host_counts::add_allocation();
  return real().calloc(count, size);
}

void* allocate_aligned_for(const Site& site, std::size_t alignment, std::size_t size) noexcept {
  if (Module* module = route(site)) {
    const std::size_t rounded = round_alignment(alignment);
    bool served = false;
    void* block = rounded != 0 ? allocate_aligned(*module, rounded, size, served) : nullptr;
    if (served) return block;
  }
  host_counts::add_allocation();
  return real().memalign(alignment, size);
}

void free_for(void* block, const char* operation, const void* caller) noexcept {
  if (free_routed(block, operation, caller) || block == nullptr) return;
  host_counts::add_deallocation();
  real().free(block);
}

void* resize_for(const Site& site, void* block, std::size_t size) noexcept {
  if (block == nullptr) return allocate_for(site, size);
  void* out = nullptr;
  if (resize_routed(block, size, "realloc", site.caller, out)) return out;
  return real().realloc(block, size);
}

}  // namespace berth::routing

using namespace berth::routing;

extern "C" {

// The two that are called most know the common callers without a call in between.
BERTH_INTERPOSED void* malloc(std::size_t size) {
  const Code code = callers.find(__builtin_return_address(0));
  if (Module* module = module_of_caller(code)) {
    // acquire: who made the instance has built it.
    if (berth_allocator* handle = module->handle.load(std::memory_order_acquire)) {
      return allocate(*module, handle, size);
    }
  } else if (code == kNotRouted || code == kSystem) {
    host_counts::add_allocation();
    return real().malloc(size);
  }
  return allocate_for(BERTH_SITE, size);
}

BERTH_INTERPOSED void* calloc(std::size_t count, std::size_t size) {
  return allocate_zeroed_for(BERTH_SITE, count, size);
}

BERTH_INTERPOSED void free(void* block) {
  if (near_instances(block)) {
    if (free_near(block, "free", __builtin_return_address(0))) return;
  } else if (block == nullptr) {
    return;
  }
  host_counts::add_deallocation();
  real().free(block);
}

BERTH_INTERPOSED void cfree(void* block) { free_for(block, "cfree", __builtin_return_address(0)); }

BERTH_INTERPOSED void* realloc(void* block, std::size_t size) { return resize_for(BERTH_SITE, block, size); }

BERTH_INTERPOSED void* reallocarray(void* block, std::size_t count, std::size_t size) {
  std::size_t bytes = 0;
  if (__builtin_mul_overflow(count, size, &bytes)) return no_memory();
  return resize_for(BERTH_SITE, block, bytes);
}

BERTH_INTERPOSED void* memalign(std::size_t alignment, std::size_t size) {
  return allocate_aligned_for(BERTH_SITE, alignment, size);
}

BERTH_INTERPOSED void* aligned_alloc(std::size_t alignment, std::size_t size) {
  return allocate_aligned_for(BERTH_SITE, alignment, size);
}

BERTH_INTERPOSED int posix_memalign(void** out, std::size_t alignment, std::size_t size) {
  if (alignment % sizeof(void*) != 0 || !is_power_of_two(alignment)) return EINVAL;
  const int before = errno;
  void* block = allocate_aligned_for(BERTH_SITE, alignment, size);
  errno = before;
  if (block == nullptr) return ENOMEM;
  *out = block;
  return 0;
}

BERTH_INTERPOSED void* valloc(std::size_t size) { return allocate_aligned_for(BERTH_SITE, kPage, size); }

BERTH_INTERPOSED void* pvalloc(std::size_t size) {
  if (size > PTRDIFF_MAX - kPage) return no_memory();
  return allocate_aligned_for(BERTH_SITE, kPage, (size + kPage - 1) / kPage * kPage);
}

BERTH_INTERPOSED std::size_t malloc_usable_size(void* block) {
  std::size_t size = 0;
  if (block == nullptr || measure_routed(block, size)) return size;
  return real().malloc_usable_size(block);
}

}  // extern "C"
