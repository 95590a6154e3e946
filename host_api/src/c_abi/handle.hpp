// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Handle: the struct of functions through which a plugin reaches its instance. It is the first thing in the instance.
#pragma once

#include "allocator/instance.hpp"
#include "berth/allocator.h"

namespace berth {

static_assert(sizeof(berth_allocator) == core::kHandleBytes);
static_assert(offsetof(core::Instance, handle) == 0);

// What the handle of an instance of this level looks like.
const berth_allocator& handle_image(core::Hardening level) noexcept;

// The same at FAST, for those who contain what its functions do.
extern const berth_allocator kFastHandle;

// Gives a handle the functions that take samples, or those of its level. [any thread]
void set_sampled(core::Instance& instance, bool sampled) noexcept;

inline core::Instance& instance_of(berth_allocator* handle) noexcept {
  return *reinterpret_cast<core::Instance*>(handle);
}
inline berth_allocator* handle_of(core::Instance& instance) noexcept {
  return reinterpret_cast<berth_allocator*>(instance.handle);
}

// berth_free_if_owned() under the name of the function that was really called. [any thread]
bool free_if_owned(void* block, const char* operation, const void* caller) noexcept;

}  // namespace berth
