// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Interposed: what stands in front of functions that every module finds before those of the C library, and the forms in
// which they ask for memory.
#pragma once

#include <cstddef>

#include "host_api/src/routing/modules.hpp"

// No inline copy, whose return address would be another's.
#define BERTH_INTERPOSED __attribute__((visibility("default"), noinline, used))

// Who called the function that this stands in. The frame is that whose two first words are the caller's frame pointer
// and the return address; said by what lies above them, so that functions need no frame pointer for it.
#if defined(__x86_64__)
#define BERTH_FRAME (static_cast<const void* const*>(__builtin_dwarf_cfa()) - 2)
#else
#define BERTH_FRAME __builtin_frame_address(0)
#endif
#define BERTH_SITE \
  ::berth::routing::Site { __builtin_return_address(0), BERTH_FRAME }

namespace berth::routing {

void* allocate_for(const Site& site, std::size_t size) noexcept;
void* allocate_zeroed_for(const Site& site, std::size_t count, std::size_t size) noexcept;
void* allocate_aligned_for(const Site& site, std::size_t alignment, std::size_t size) noexcept;
void* resize_for(const Site& site, void* block, std::size_t size) noexcept;
void free_for(void* block, const char* operation, const void* caller) noexcept;

}  // namespace berth::routing
