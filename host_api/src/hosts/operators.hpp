// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Which operators new and delete serve the program: Berth's (the room host_operators), or those that it has replaced.
#pragma once

namespace berth::detail {

// Whether a function is one of Berth's operators in this program. [any thread] [signal-safe]
bool is_own_operator(const void* function) noexcept;

}  // namespace berth::detail
