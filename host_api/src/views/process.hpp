// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Process: what this process is called, and when it is now, by system calls alone.
#pragma once

#include <cstddef>
#include <cstdint>

namespace berth::views::process {

std::uint64_t number() noexcept;

// The program with its arguments, spaces between them, cut to `size`; "" where the system does not tell.
void command(char* out, std::size_t size) noexcept;

// Milliseconds since 1970.
std::uint64_t wall_milliseconds() noexcept;

// Whether the calling thread has a real-time scheduling class of the system's.
bool is_realtime_thread() noexcept;

}  // namespace berth::views::process
