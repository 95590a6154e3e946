// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// What berth::plugin_new asks of the platform. Its file also notes in the module where berth_plugin_new_handle is, so
// that the host's loader finds every module that allocates from an instance before it destroys that.
#pragma once

#include "berth/allocator.h"

namespace berth::detail {

// Has the module's own calls of dlopen counted; for the link alone.
void count_parts() noexcept;

// The symbol of that name that the host's program shows, else the one that a library of the process does; nullptr:
// nobody. Takes the loader's lock.
void* find_in_process(const char* symbol) noexcept;

// Learns which hosts there are. The instance that one of them is loading on this thread, of several the innermost
// load's; nullptr: none. Once, when the module is loaded.
berth_allocator* meet_hosts() noexcept;

// Whether an instance of any host owns the block; and frees it there, false: none does.
bool has_owner(const void* block) noexcept;
bool free_into_owner(void* block) noexcept;

}  // namespace berth::detail
