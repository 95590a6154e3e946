// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// What a crash says before the handler that was there, or the system, deals with it.
#pragma once

#include <array>

namespace property {

// A text that ends with 0, empty at first. Written between rounds.
extern std::array<char, 128> crash_line;

// From now on.
void tell_crashes();

}  // namespace property
