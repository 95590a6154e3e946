// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// A C library's malloc family over one instance, to be preloaded into a whole program: for measuring alone. The level
// is that of BERTH_FRONT_HARDENING (fast, checked, guarded; default fast), the rate that of BERTH_FRONT_RATE (default:
// the library's).
#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <cstring>

#include "berth/allocator.h"
#include "berth/instance.h"

namespace {

// What the making of the instance itself asks for: the C library does, for fork handlers. Never given back.
alignas(64) char first_bytes[std::size_t{64} << 10];
std::size_t first_used = 0;

bool is_first(const void* block) {
  return block >= first_bytes && block < static_cast<const void*>(first_bytes + sizeof(first_bytes));
}

void* allocate_first(std::size_t alignment, std::size_t size) {
  const std::size_t start = (first_used + alignment - 1) & ~(alignment - 1);
  if (start > sizeof(first_bytes) || size > sizeof(first_bytes) - start) return nullptr;
  first_used = start + size;
  return first_bytes + start;
}

bool says(const char* name, const char* value) {
  const char* const found = std::getenv(name);
  return found != nullptr && std::strcmp(found, value) == 0;
}

// Written once by the first caller, before there is a second thread; relaxed.
std::atomic<berth_allocator*> known{nullptr};
bool making = false;

__attribute__((noinline, cold)) berth_allocator* make() {
  if (making) return nullptr;
  making = true;
  berth_instance_options options{};
  options.struct_size = sizeof(options);
  options.name = "whole program";
  options.hardening = says("BERTH_FRONT_HARDENING", "guarded")   ? BERTH_HARDENING_GUARDED
                      : says("BERTH_FRONT_HARDENING", "checked") ? BERTH_HARDENING_CHECKED
                                                                 : BERTH_HARDENING_FAST;
  if (const char* rate = std::getenv("BERTH_FRONT_RATE"); rate != nullptr && says("BERTH_FRONT_HARDENING", "guarded")) {
    options.flags = BERTH_INSTANCE_GUARD_RATE(static_cast<uint32_t>(std::atoi(rate)));
  }
  berth_instance* instance = nullptr;
  if (berth_instance_create(&options, &instance) != BERTH_OK) std::abort();
  known.store(berth_instance_allocator(instance), std::memory_order_relaxed);
  return known.load(std::memory_order_relaxed);
}

inline berth_allocator* handle() {
  berth_allocator* const found = known.load(std::memory_order_relaxed);
  return found != nullptr ? found : make();
}

}  // namespace

#define FRONT extern "C" __attribute__((visibility("default")))

FRONT void* malloc(std::size_t size) {
  berth_allocator* const a = handle();
  return a != nullptr ? berth_malloc(a, size) : allocate_first(16, size);
}
FRONT void free(void* block) {
  if (!is_first(block)) berth_free(handle(), block);
}
FRONT void* calloc(std::size_t count, std::size_t size) {
  berth_allocator* const a = handle();
  return a != nullptr ? berth_calloc(a, count, size) : allocate_first(16, count * size);
}
FRONT void* realloc(void* block, std::size_t size) {
  berth_allocator* const a = handle();
  if (a == nullptr || is_first(block)) {
    void* const moved = malloc(size);
    if (moved != nullptr && block != nullptr) {
      const auto left = static_cast<std::size_t>(first_bytes + sizeof(first_bytes) - static_cast<char*>(block));
      std::memcpy(moved, block, left < size ? left : size);
    }
    return moved;
  }
  return berth_realloc(a, block, size);
}
FRONT void* aligned_alloc(std::size_t alignment, std::size_t size) {
  berth_allocator* const a = handle();
  return a != nullptr ? berth_aligned_alloc(a, alignment, size) : allocate_first(alignment, size);
}
FRONT void* memalign(std::size_t alignment, std::size_t size) { return aligned_alloc(alignment, size); }
FRONT int posix_memalign(void** block, std::size_t alignment, std::size_t size) {
  const int before = errno;
  void* const found = aligned_alloc(alignment, size);
  const int error = found != nullptr ? 0 : errno;
  errno = before;
  if (error == 0) *block = found;
  return error;
}
FRONT std::size_t malloc_usable_size(void* block) { return is_first(block) ? 0 : berth_usable_size(handle(), block); }
