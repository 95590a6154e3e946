// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Trace: what each plugin holds over time, as JSON trace events for viewers such as Perfetto. An array that is written
// as it grows: cut off where a process is killed, viewers read it all the same.
#pragma once

namespace berth::run {

// From here on points are written, where settings.trace is set.
void start_trace() noexcept;

// What is left goes to the file, and the array ends.
void end_trace() noexcept;

// A forked child has a file of its own.
void begin_trace_again() noexcept;

}  // namespace berth::run
