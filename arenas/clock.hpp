// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// What time is it, for the age of empty memory? Tests put a clock of their own in its place.
#pragma once

#include <cstdint>

namespace berth::core::clock {

// Only goes forward.
std::uint64_t milliseconds() noexcept;

using Source = std::uint64_t (*)() noexcept;
// Null: the system's again.
void replace(Source source) noexcept;

}  // namespace berth::core::clock
