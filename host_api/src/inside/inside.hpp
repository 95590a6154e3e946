// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Who is still inside a plugin's code, so that unmapping it would crash the process: a thread, or a signal's handler.
#pragma once

#include <span>

#include "host_api/src/modules/code_range.hpp"
#include "host_api/src/modules/obstacle.hpp"

namespace berth::detail {

// The first that is found; none if nobody is inside. Without `threads` only the handlers of signals are looked at.
// [any thread]
Obstacle find_inside(std::span<const CodeRange> code, bool threads);

// Whether the calling thread is. [any thread]
bool is_caller_inside(std::span<const CodeRange> code) noexcept;

// Whether the loader is closing a module for the calling thread, further up its stack: this runs in a destructor then,
// and what is closed meanwhile is put off by glibc until that is done. [any thread]
bool is_caller_closing() noexcept;

}  // namespace berth::detail
