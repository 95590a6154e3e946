// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Blocks of routed modules: made for a module, freed, resized and measured by their address, whoever calls.
//
// Routed code was written against glibc: each block has kPadding bytes over what was asked for, as glibc's rounding has
// given to many a small overrun; none is aligned to less than 16; and realloc(p, 0) frees.
#pragma once

#include <cstddef>

#include "host_api/src/routing/modules.hpp"
#include "host_api/src/routing/near.hpp"

namespace berth::routing {

inline constexpr std::size_t kPadding = 8;

// Of the instance whose handle this is, the module's. Null with errno ENOMEM.
void* allocate(Module& module, berth_allocator* handle, std::size_t size) noexcept;

// Null with errno ENOMEM: a quota, or the system. `served` false: the module has no instance, so ask the real
// allocator.
void* allocate(Module& module, std::size_t size, bool& served) noexcept;
void* allocate_zeroed(Module& module, std::size_t size, bool& served) noexcept;
// A power of two; beyond 1 GiB it is not served.
void* allocate_aligned(Module& module, std::size_t alignment, std::size_t size, bool& served) noexcept;

// False: it is no block of a routed module's. These keep errno where free does. The first serves where the block lies
// near_instances(), and looks at the caller's own span before it asks whose the block is.
bool free_near(void* block, const char* operation, const void* caller) noexcept;
inline bool free_routed(void* block, const char* operation, const void* caller) noexcept {
  return near_instances(block) && free_near(block, operation, caller);
}
bool resize_routed(void* block, std::size_t size, const char* operation, const void* caller, void*& out) noexcept;
bool measure_routed(const void* block, std::size_t& size) noexcept;

}  // namespace berth::routing
