// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Walks glibc's list of modules, in the order in which they were loaded, under the loader's own lock: none comes or
// goes meanwhile.
#pragma once

#include <link.h>

#include <cstddef>
#include <exception>

#include "host_api/src/modules/loader_lock.hpp"
#include "host_api/src/modules/module_inspection.hpp"

namespace berth::detail {

// use(info) for each module until it returns true; whether one did.
template <typename Use>
bool any_module(Use use) {
  struct Call {
    Use& use;
    std::exception_ptr failure;
  } call{use, nullptr};
  const LoaderLock lock;
  const int found = ::dl_iterate_phdr(
      [](dl_phdr_info* info, std::size_t, void* context) -> int {
        auto* inner = static_cast<Call*>(context);
        try {
          return inner->use(static_cast<const dl_phdr_info&>(*info)) ? 1 : 0;
        } catch (...) {  // not through the C library's frame, which holds a lock
          inner->failure = std::current_exception();
          return -1;
        }
      },
      &call);
  if (call.failure) std::rethrow_exception(call.failure);
  return found != 0;
}

inline bool matches(const dl_phdr_info& info, const ModuleIdentity& module) noexcept {
  return info.dlpi_addr == module.base && module.name == info.dlpi_name;
}

}  // namespace berth::detail
