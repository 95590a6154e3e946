// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// What a copy of Berth that loads plugins tells the other modules of the process. A module is a host if it can make an
// instance the current one (current_instance.hpp).
#pragma once

#include <cstdint>

#include "berth/allocator.h"

namespace berth::detail {

// Read by modules that were built at another time: members are only added at the end, and struct_size tells how many
// there are. Each may be called from any thread, takes no lock of the system's loader and allocates nothing.
struct HostFunctions {
  std::uint32_t struct_size;
  std::uint32_t reserved;
  // The instance being loaded on the calling thread and the moment since when, by a clock that only goes forward; NULL:
  // none.
  berth_allocator* (*current_allocator)(std::uint64_t* since) noexcept;
  // The instance of this host that owns the address; 0: none.
  std::uint64_t (*find_owner_id)(const void* address) noexcept;
  // Frees into that instance. False: none.
  bool (*free_if_owned)(void* block) noexcept;
};

// This module's own.
extern const HostFunctions kHostFunctions;

}  // namespace berth::detail
