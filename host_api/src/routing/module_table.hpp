// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Module table: the modules by number, as the caller map knows them. A number is free again when its module is unmapped
// and its instance has ended.
#pragma once

#include <cstdint>

#include "arenas/pal/lock.hpp"
#include "host_api/src/routing/modules.hpp"

namespace berth::routing::table {

// Held while numbers are taken and put back and while instances are made; never while the loader is asked.
pal::Lock& lock() noexcept;

// Null: there is no memory, or no number. The module is in state Free.
Module* take() noexcept;
void put_back(Module& module) noexcept;

Module& of_code(Code code) noexcept;

// Visits every module that is in use, in the order of numbers, until `visit` answers false. [any thread]
template <typename Visit>
void for_each(Visit&& visit) noexcept;

namespace detail {
std::uint32_t used() noexcept;
Module& at(std::uint32_t number) noexcept;
}  // namespace detail

template <typename Visit>
void for_each(Visit&& visit) noexcept {
  const std::uint32_t used = detail::used();
  for (std::uint32_t number = 0; number < used; ++number) {
    Module& module = detail::at(number);
    if (module.state.load(std::memory_order_acquire) == ModuleState::Free) continue;
    if (!visit(module)) return;
  }
}

}  // namespace berth::routing::table
