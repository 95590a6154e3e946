// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// On Windows plugins find their host by the names that the program shows (plugin_new_windows.cpp).
#include "berth/instance.h"
#include "host_api/src/c_abi/current_instance.hpp"
#include "host_api/src/hosts/host_functions.hpp"

namespace berth::detail {

namespace {

berth_allocator* current_allocator(std::uint64_t* since) noexcept { return current_handle(*since); }
std::uint64_t find_owner_id(const void* address) noexcept { return ::berth_find_owner_id(address); }
bool free_if_owned(void* block) noexcept { return ::berth_free_if_owned(block); }

}  // namespace

constinit const HostFunctions kHostFunctions = {sizeof(HostFunctions), 0, current_allocator, find_owner_id,
                                                free_if_owned};

}  // namespace berth::detail
