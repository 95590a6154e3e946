// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// How often a test does something: as often as a release build does it at its leisure, or a part of that where it is
// slower.
#pragma once

#include <cstddef>

#include "support/sanitizers.hpp"

namespace berth::tests {

// Whether Wine runs what is built for another system (BerthTest.cmake). One server makes all threads there, and puts
// them to sleep and wakes them one at a time; what a thread does alone takes no longer than elsewhere.
#if defined(BERTH_TEST_EMULATED)
inline constexpr bool kEmulated = true;
#else
inline constexpr bool kEmulated = false;
#endif

inline constexpr std::size_t part_of(std::size_t count, std::size_t divisor) {
  return count / divisor > 0 ? count / divisor : 1;
}

// Of work that threads do by themselves.
inline constexpr std::size_t scaled(std::size_t count, std::size_t divisor = 10) {
  return kSanitized ? part_of(count, divisor) : count;
}

// Of threads' lives, and of times that they wait for each other.
inline constexpr std::size_t scaled_meetings(std::size_t count, std::size_t divisor = 10) {
  return kSanitized || kEmulated ? part_of(count, divisor) : count;
}

}  // namespace berth::tests
