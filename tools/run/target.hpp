// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Target: whether a program can be run with its plugins routed. Takes no memory of the C library's and needs no C++
// run-time: the preloaded library asks it in a child of vfork.
#pragma once

#include <cstddef>

namespace berth::run {

struct Reason {
  char text[256];
};

// Why plugins cannot be routed in what this file is; false: they can. Of a script its interpreter is asked, of other
// text the shell, as execvp does. An open descriptor, or a path. [any thread]
bool find_reason_against(int file, Reason& reason) noexcept;
bool find_reason_against(const char* path, Reason& reason) noexcept;

// Whether the system would start it: no folder, executable, and a program or text.
bool can_be_started(const char* path) noexcept;

}  // namespace berth::run
