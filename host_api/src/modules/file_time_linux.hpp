// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// A time of a file as one number.
#pragma once

#include <time.h>

#include <cstdint>

namespace berth::detail {

inline std::uint64_t nanoseconds(const timespec& time) noexcept {
  return static_cast<std::uint64_t>(time.tv_sec) * 1'000'000'000 + static_cast<std::uint64_t>(time.tv_nsec);
}

}  // namespace berth::detail
