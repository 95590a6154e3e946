// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
#pragma once

namespace berth::routing {

// Finds the C++ run-time of the program, if it has one. Once, before threads are there, not from inside an allocation.
void look_up_operators() noexcept;

}  // namespace berth::routing
