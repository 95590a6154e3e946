// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Walks glibc's list of modules, in the order in which they were loaded, under the loader's own lock: none comes or
// goes meanwhile.
#pragma once

#include <link.h>

#include <cstddef>
#include <exception>
#include <span>
#include <vector>

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

// use(modules) with all of them, under the lock. Where several are compared with each other: in a call for each alone
// the others' images could not be read.
template <typename Use>
void with_modules(Use use) {
  any_module([&](const dl_phdr_info&) {  // the lock, which is recursive
    std::vector<dl_phdr_info> modules;
    any_module([&](const dl_phdr_info& info) {
      modules.push_back(info);
      return false;
    });
    use(std::span<const dl_phdr_info>(modules));
    return true;
  });
}

inline bool matches(const dl_phdr_info& info, const ModuleIdentity& module) noexcept {
  return info.dlpi_addr == module.base && module.name == info.dlpi_name;
}

}  // namespace berth::detail
