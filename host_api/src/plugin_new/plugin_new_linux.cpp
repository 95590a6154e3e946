// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// plugin_new.hpp for ELF.
#include <dlfcn.h>

#include "host_api/src/hosts/host_list.hpp"
#include "host_api/src/hosts/notes_linux.hpp"
#include "host_api/src/plugin_new/plugin_new.hpp"

BERTH_NOTE("1", "berth_plugin_new_handle");

namespace berth::detail {

void* find_in_process(const char* symbol) noexcept { return dlsym(RTLD_DEFAULT, symbol); }

berth_allocator* meet_hosts() noexcept {
  count_parts();
  fill_list(hosts, nullptr);
  return find_current_allocator();
}

bool has_owner(const void* block) noexcept { return hosts.find_owner(block) != nullptr; }

bool free_into_owner(void* block) noexcept {
  const HostFunctions* const owner = hosts.find_owner(block);
  return owner != nullptr && owner->free_if_owned(block);
}

}  // namespace berth::detail
