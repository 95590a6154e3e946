// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Which instance is being loaded on this thread, and since when: of the hosts of a process, each of which has its own,
// the one that began last loads what is opened now.
#pragma once

#include <cstdint>

#include "allocator/settings.hpp"
#include "berth/instance.h"

namespace berth {

struct CurrentLoad {
  core::InstanceHandle instance = core::InstanceHandle::None;
  std::uint64_t since = 0;  // pal::monotonic_nanoseconds()
};

// A load that begins now, and the one before it, to be made current again as it was. [any thread]
CurrentLoad begin_load(core::InstanceHandle instance) noexcept;
void continue_load(CurrentLoad load) noexcept;

// The handle of the current instance, nullptr: none. [any thread]
berth_allocator* current_handle(std::uint64_t& since) noexcept;

}  // namespace berth
