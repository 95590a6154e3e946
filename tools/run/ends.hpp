// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// The ends of a process: exit, quick_exit, _exit, abort, and an exec that gives the process to another program.
#pragma once

namespace berth::run {

// From here on the end of the process is reported. Before any code of the program has run, so that what is registered
// here comes last.
void watch_ends() noexcept;

}  // namespace berth::run
