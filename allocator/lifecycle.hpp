// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Lifecycle: an instance is made of one reservation and ends with one release.
#pragma once

#include "allocator/misuse/text.hpp"
#include "allocator/settings.hpp"

namespace berth::core::lifecycle {

// On failure nothing is left behind, and `why` names the value that was refused.
Status create(const Settings& settings, InstanceHandle& handle, Line& why) noexcept;

struct Remains {
  std::size_t live_blocks;
  std::size_t live_bytes;
  std::size_t returned_bytes;
};

// NotFound, Ok, or Deferred: destroyed, but the system keeps the addresses for now.
Status destroy(InstanceHandle handle, Remains& remains) noexcept;

}  // namespace berth::core::lifecycle
