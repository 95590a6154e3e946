// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// There is no search on Windows.
#include "host_api/src/references/module_search.hpp"

namespace berth::references {

Outcome find_module_references(const ClosingModule*, std::size_t, core::InstanceHandle, std::uintptr_t, std::size_t,
                               const DanglingWords&, Findings&) noexcept {
  return Outcome::Refused;
}

bool can_search_for_modules() noexcept { return false; }

}  // namespace berth::references
