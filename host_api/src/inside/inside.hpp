// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Who is still inside a plugin's code, so that unmapping it would crash the process: a thread, or the system itself,
// which calls a signal's handler or runs it on a stack that the plugin has lent.
#pragma once

#include <span>
#include <vector>

#include "berth/allocator.h"
#include "host_api/src/modules/code_range.hpp"
#include "host_api/src/modules/module_graph.hpp"
#include "host_api/src/modules/obstacle.hpp"

namespace berth::detail {

// What is no longer there once a plugin has left.
struct Ground {
  std::vector<CodeRange> code;
  std::vector<MappedModule> modules;
  berth_allocator* instance = nullptr;  // or none

  // Whether an address lies in a module or in the instance.
  bool holds(std::uintptr_t address) const noexcept {
    for (const MappedModule& module : modules) {
      if (address - module.begin < module.bytes) return true;
    }
    return find_range(code, address) != nullptr ||
           (instance != nullptr && berth_owns(instance, reinterpret_cast<const void*>(address)));
  }
};

// The first that is found; none if nobody is inside. Without `threads` only what the system holds for the process and
// for the calling thread is looked at. [any thread]
Obstacle find_inside(const Ground& ground, bool threads);

// Whether the calling thread is. [any thread]
bool is_caller_inside(std::span<const CodeRange> code) noexcept;

// Whether the loader is closing a module for the calling thread, further up its stack: this runs in a destructor then,
// and what is closed meanwhile is put off by glibc until that is done. [any thread]
bool is_caller_closing() noexcept;

}  // namespace berth::detail
