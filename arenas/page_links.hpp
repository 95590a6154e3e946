// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Two neighbours in a list, packed into the aux word of a pagemap entry: indexes into the pagemap, 0: none.
#pragma once

#include <cstdint>

namespace berth::core {

constexpr std::uint64_t links(std::uint32_t next, std::uint32_t previous) noexcept {
  return (std::uint64_t{next} << 32) | previous;
}
constexpr std::uint32_t next_of(std::uint64_t aux) noexcept { return static_cast<std::uint32_t>(aux >> 32); }
constexpr std::uint32_t previous_of(std::uint64_t aux) noexcept { return static_cast<std::uint32_t>(aux); }

}  // namespace berth::core
