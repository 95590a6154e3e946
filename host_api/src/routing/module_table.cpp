// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
#include "host_api/src/routing/module_table.hpp"

#include <array>

#include "host_api/src/routing/store.hpp"

namespace berth::routing::table {

constinit decltype(detail::modules) detail::modules{};

namespace {

using detail::kModules;
using detail::modules;

constexpr std::uint32_t kChunk = 64;  // made at once

constinit pal::Lock guard{pal::LockRank::Host};
constinit std::atomic<std::uint32_t> used_numbers{0};  // written under the guard (release), read by reports (acquire)
// Free numbers, as a list through the table. Under the guard.
constinit std::array<std::uint32_t, kModules> next_free{};
constinit std::uint32_t free_head = 0;  // number + 1; 0: none

}  // namespace

std::uint32_t detail::used() noexcept { return used_numbers.load(std::memory_order_acquire); }

pal::Lock& lock() noexcept { return guard; }

Module* take() noexcept {
  const pal::LockGuard held(guard);
  if (free_head != 0) {
    const std::uint32_t number = free_head - 1;
    free_head = next_free[number];
    return &detail::at(number);
  }
  const std::uint32_t number = used_numbers.load(std::memory_order_relaxed);
  if (number == kModules) return nullptr;
  if (number % kChunk == 0) {
    auto* chunk = store::make<Module>(kChunk);
    if (chunk == nullptr) return nullptr;
    for (std::uint32_t i = 0; i < kChunk && number + i < kModules; ++i) {
      chunk[i].code = static_cast<Code>(number + i + kFirstModule);
      modules[number + i].store(chunk + i, std::memory_order_release);
    }
  }
  used_numbers.store(number + 1, std::memory_order_release);
  return &detail::at(number);
}

void put_back(Module& module) noexcept {
  const pal::LockGuard held(guard);
  const std::uint32_t number = module.code - kFirstModule;
  module.map = nullptr;
  module.state.store(ModuleState::Free, std::memory_order_release);
  next_free[number] = free_head;
  free_head = number + 1;
}

}  // namespace berth::routing::table
