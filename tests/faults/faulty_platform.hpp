// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// A platform layer that refuses: the linker puts these functions before those of arenas/pal/ (--wrap), so the library
// under test is the very archive that everybody links. Unless a plan is armed they only count and pass on.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace berth::tests::faults {

// The platform's functions that may fail, or may do nothing.
enum class Call : std::uint8_t {
  Supported,
  Reserve,
  Release,
  Commit,
  Decommit,
  Recommit,
  Empty,
  MovePages,
  Renew,
  Protect,
  Populate,
  LockInMemory,
  UnlockFromMemory,
  LockAtFirstUse,
  AllowHugePages,
  ForbidHugePages,
  LeaveOutOfCore,
  KeepInCore,
  ReadMemory,
  ObserveFaults,
  StopObservingFaults
};
inline constexpr std::size_t kCalls = 21;

constexpr std::size_t slot(Call call) noexcept { return static_cast<std::size_t>(call); }
const char* name_of(Call call) noexcept;

// Which of the calls from arm() on are refused.
struct Plan {
  std::uint32_t nth = 0;      // from 1; 0: none
  bool from_then_on = false;  // and all that follow
  bool mixed_moves = false;   // a move is refused as Mixed, so that pages go one by one or as a copy
};

using Counts = std::array<std::uint32_t, kCalls>;

struct Tally {
  Counts asked{};
  Counts refused{};
};

std::uint32_t sum(const Counts& counts) noexcept;

// From one to the other the calls of all threads count.
void arm(const Plan& plan) noexcept;
Tally disarm() noexcept;

}  // namespace berth::tests::faults
