// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
#pragma once

namespace berth::run {

// Finds the functions of the C library that start programs. Once, at the start.
void look_up_execs() noexcept;

}  // namespace berth::run
