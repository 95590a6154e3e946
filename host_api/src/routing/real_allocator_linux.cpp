// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
#include <dlfcn.h>

#include <cerrno>
#include <cstdint>
#include <cstring>

#include "host_api/src/routing/real_allocator.hpp"

namespace berth::routing {

namespace detail {
constinit std::atomic<const RealAllocator*> real_allocator{nullptr};
}

namespace {

// What the loader may ask for while it looks names up, which is next to nothing.
alignas(16) constinit char store[16384] = {};
constinit std::atomic<std::size_t> store_used{0};
constexpr std::size_t kHeader = 16;  // the block's size, in front of it

bool in_store(const void* block) noexcept {
  return reinterpret_cast<std::uintptr_t>(block) - reinterpret_cast<std::uintptr_t>(store) < sizeof(store);
}
std::size_t stored_bytes(const void* block) noexcept {
  std::size_t bytes = 0;
  std::memcpy(&bytes, static_cast<const char*>(block) - kHeader, sizeof(bytes));
  return bytes;
}

void* take_from_store(std::size_t alignment, std::size_t bytes) noexcept {
  if (alignment < 16) alignment = 16;
  if (bytes > sizeof(store) || alignment > sizeof(store)) {
    errno = ENOMEM;
    return nullptr;
  }
  const std::size_t taken = (bytes + kHeader + alignment + 15) & ~std::size_t{15};
  const std::size_t offset = store_used.fetch_add(taken, std::memory_order_relaxed);
  if (offset + taken > sizeof(store)) {
    errno = ENOMEM;
    return nullptr;
  }
  const std::uintptr_t start =
      (reinterpret_cast<std::uintptr_t>(store) + offset + kHeader + alignment - 1) & ~(alignment - 1);
  std::memcpy(reinterpret_cast<char*>(start) - kHeader, &bytes, sizeof(bytes));
  return reinterpret_cast<void*>(start);
}

void* early_malloc(std::size_t bytes) noexcept { return take_from_store(16, bytes); }
void* early_calloc(std::size_t count, std::size_t bytes) noexcept {
  std::size_t all = 0;
  return __builtin_mul_overflow(count, bytes, &all) ? nullptr : take_from_store(16, all);  // never used before: zero
}
void* early_realloc(void* block, std::size_t bytes) noexcept {
  void* moved = take_from_store(16, bytes);
  if (block != nullptr && moved != nullptr && in_store(block)) {
    const std::size_t old = stored_bytes(block);
    std::memcpy(moved, block, old < bytes ? old : bytes);
  }
  return moved;
}
void early_free(void*) noexcept {}
void* early_memalign(std::size_t alignment, std::size_t bytes) noexcept { return take_from_store(alignment, bytes); }
int early_posix_memalign(void** out, std::size_t alignment, std::size_t bytes) noexcept {
  *out = take_from_store(alignment, bytes);
  return *out != nullptr ? 0 : ENOMEM;
}
std::size_t early_usable_size(void* block) noexcept { return in_store(block) ? stored_bytes(block) : 0; }

constexpr RealAllocator kEarly = {early_malloc,   early_calloc,         early_realloc,    early_free,
                                  early_memalign, early_posix_memalign, early_usable_size};

constinit RealAllocator next = {};

// Blocks of the store may come to these much later.
void next_free(void* block) noexcept {
  if (!in_store(block)) next.free(block);
}
void* next_realloc(void* block, std::size_t bytes) noexcept {
  if (!in_store(block)) return next.realloc(block, bytes);
  void* moved = next.malloc(bytes);
  const std::size_t old = stored_bytes(block);
  if (moved != nullptr) std::memcpy(moved, block, old < bytes ? old : bytes);
  return moved;
}
std::size_t next_usable_size(void* block) noexcept {
  return in_store(block) ? stored_bytes(block) : next.malloc_usable_size(block);
}

constinit RealAllocator guarded = {};

template <typename Function>
void look_up(const char* name, Function*& out) noexcept {
  out = reinterpret_cast<Function*>(dlsym(RTLD_NEXT, name));
}

// 0 nobody yet, 1 somebody looks, 2 found. By compare and exchange of whoever comes first (acq_rel).
constinit std::atomic<int> progress{0};

}  // namespace

const RealAllocator& find_real_allocator() noexcept {
  int expected = 0;
  // Who finds somebody looking is that thread itself: at the first allocation of a process it has no other.
  if (!progress.compare_exchange_strong(expected, 1, std::memory_order_acq_rel)) return kEarly;
  look_up("malloc", next.malloc);
  look_up("calloc", next.calloc);
  look_up("realloc", next.realloc);
  look_up("free", next.free);
  look_up("memalign", next.memalign);
  look_up("posix_memalign", next.posix_memalign);
  look_up("malloc_usable_size", next.malloc_usable_size);
  guarded = next;
  // Only a process that was served from the store pays for looking there.
  if (store_used.load(std::memory_order_relaxed) != 0) {
    guarded.free = next_free;
    guarded.realloc = next_realloc;
    guarded.malloc_usable_size = next_usable_size;
  }
  detail::real_allocator.store(&guarded, std::memory_order_release);
  progress.store(2, std::memory_order_release);
  return guarded;
}

void* find_next(const char* name) noexcept {
  void* found = dlsym(RTLD_NEXT, name);
  if (found == nullptr) dlerror();  // not the host's to hear
  return found;
}

}  // namespace berth::routing
