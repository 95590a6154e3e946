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

// Who called the function that this stands in.
#define BERTH_SITE \
  ::berth::routing::Site { __builtin_return_address(0), __builtin_frame_address(0) }

namespace berth::routing {

void* allocate_for(const Site& site, std::size_t size) noexcept;
void* allocate_zeroed_for(const Site& site, std::size_t count, std::size_t size) noexcept;
void* allocate_aligned_for(const Site& site, std::size_t alignment, std::size_t size) noexcept;
void* resize_for(const Site& site, void* block, std::size_t size) noexcept;
void free_for(void* block, const char* operation, const void* caller) noexcept;

}  // namespace berth::routing
