// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// The search for words that lead into a module that is about to close: callbacks, objects whose class is the module's,
// destructors of keys, functions for the process' end, timers. Over data and never over stacks, where the return
// addresses of calls that are over would always be found; so nobody need stand still.
#pragma once

#include <cstddef>
#include <cstdint>

#include "allocator/instance.hpp"
#include "host_api/src/references/dangling_words.hpp"
#include "host_api/src/references/search.hpp"

namespace berth::references {

struct ClosingModule {
  std::uintptr_t base = 0;  // what the loader has added to its addresses
  std::uintptr_t begin = 0;
  std::size_t bytes = 0;
};

// Not counted: what lies in these modules, in the `own` instance (or None), or in the `record` that the caller has of
// them; what was `dangling` before the first of them was opened; what the loader and the C library have of them and
// take back at the close; freed blocks of the heap. `Found`'s target is the place in the module, its block is empty.
// [no thread stands still; the modules stay mapped meanwhile]
Outcome find_module_references(const ClosingModule* modules, std::size_t count, core::InstanceHandle own,
                               std::uintptr_t record, std::size_t record_bytes, const DanglingWords& dangling,
                               Findings& out) noexcept;

// Whether there is such a search on this system.
bool can_search_for_modules() noexcept;

}  // namespace berth::references
