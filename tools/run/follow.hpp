// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Follow: the environment of programs that this one starts. Berth goes along wherever it can work, also where the
// caller gives an environment that knows nothing of it, and stays away where it cannot: a program of another C library
// or with a sanitizer would not even start.
#pragma once

#include <cstddef>

namespace berth::run {

// Remembers what this process was started with. Once, before anything runs; environment as the system gave it.
void remember_environment(char* const* environment) noexcept;

// Takes Berth out of the process' own environment: whom it starts is not followed.
void leave_environment() noexcept;

enum class Wish : unsigned char { Keep, Join, Leave };

// What is wanted for a program; a null path: an open file. [any thread, in a child of vfork too]
Wish wish_for(const char* path) noexcept;
Wish wish_for(int file) noexcept;

// How much room an environment needs that is built from another: entries, and bytes of text.
struct Room {
  std::size_t entries, bytes;
};
Room room_for(char* const* given) noexcept;
// Builds it there. `earlier`: the process has reported before, as another program.
void build_environment(char* const* given, Wish wish, bool earlier, char** entries, char* bytes) noexcept;

}  // namespace berth::run
