// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// This module is a host: its note, by which plugins and other hosts find it whatever its link shows, and its entries in
// their lists, from the module's beginning to its end.
#include "arenas/pal/unload_linux.hpp"
#include "berth/instance.h"
#include "host_api/src/c_abi/current_instance.hpp"
#include "host_api/src/hosts/host_list.hpp"
#include "host_api/src/hosts/notes_linux.hpp"

BERTH_NOTE("2", "_ZN5berth6detail14kHostFunctionsE");

namespace berth::detail {

namespace {

berth_allocator* current_allocator(std::uint64_t* since) noexcept { return current_handle(*since); }
std::uint64_t find_owner_id(const void* address) noexcept { return ::berth_find_owner_id(address); }
bool free_if_owned(void* block) noexcept { return ::berth_free_if_owned(block); }

// Before the module's own constructors, which may load plugins.
[[gnu::constructor(101)]] void enter() noexcept { announce_host(kHostFunctions); }

#if defined(BERTH_MODULE)
// After its own destructors, which may still unload some. When the process ends everybody may still ask.
[[gnu::destructor(101)]] void leave() noexcept {
  if (pal::is_unloaded()) withdraw_host(kHostFunctions);
}
#endif

}  // namespace

constinit const HostFunctions kHostFunctions = {sizeof(HostFunctions), 0, current_allocator, find_owner_id,
                                                free_if_owned};

}  // namespace berth::detail
