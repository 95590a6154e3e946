// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// The opaque berth_instance* of the C ABI is a registry handle in the shape of a pointer; nobody dereferences it.
#pragma once

#include <cstdint>

#include "allocator/settings.hpp"
#include "berth/instance.h"

namespace berth {

inline berth_instance* to_pointer(core::InstanceHandle handle) noexcept {
  return reinterpret_cast<berth_instance*>(static_cast<std::uintptr_t>(handle));
}
inline core::InstanceHandle to_handle(const berth_instance* instance) noexcept {
  return static_cast<core::InstanceHandle>(reinterpret_cast<std::uintptr_t>(instance));
}

}  // namespace berth
