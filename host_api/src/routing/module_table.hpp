// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Module table: the modules by number, as the caller map knows them. A number is free again when its module is unmapped
// and its instance has ended.
#pragma once

#include <array>
#include <cstdint>

#include "arenas/pal/lock.hpp"
#include "host_api/src/routing/modules.hpp"

namespace berth::routing::table {

// Held while numbers are taken and put back and while instances are made; never while the loader is asked.
pal::Lock& lock() noexcept;

// Null: there is no memory, or no number. The module is in state Free.
Module* take() noexcept;
void put_back(Module& module) noexcept;

inline Module& of_code(Code code) noexcept;  // of one that is in the caller map

// Visits every module that is in use, in the order of numbers, until `visit` answers false. [any thread]
template <typename Visit>
void for_each(Visit&& visit) noexcept;

namespace detail {
inline constexpr std::uint32_t kModules = 65536 - kFirstModule;
// Each is written once under the lock (release), read by number (acquire). One load for each allocation: it costs half
// a mebibyte of addresses, of which pages are touched as modules come.
extern constinit std::array<std::atomic<Module*>, kModules> modules;

std::uint32_t used() noexcept;
inline Module& at(std::uint32_t number) noexcept { return *modules[number].load(std::memory_order_acquire); }
}  // namespace detail

inline Module& of_code(Code code) noexcept { return detail::at(static_cast<std::uint32_t>(code - kFirstModule)); }

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

namespace berth::routing {

// The short way of route(): of a caller whose module the map knows, while no module is being closed that may be another
// by now. Null: it is nobody's, or the long way tells.
inline Module* module_of_caller(Code code) noexcept {
  if (code < kFirstModule || any_is_closing()) return nullptr;
  return &table::of_code(code);
}

}  // namespace berth::routing
