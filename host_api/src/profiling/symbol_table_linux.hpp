// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Symbol table: the functions that a module's file knows besides those that it shows to others.
#pragma once

#include <cstddef>
#include <cstdint>

namespace berth::profiling {

// The function of the file that an address, as the file has it, lies in. Copies its name; false: the file has none, or
// no such table. Maps the file meanwhile. [any thread]
struct FileSymbol {
  std::uintptr_t begin = 0;
  char name[200];
};
bool find_in_file(const char* path, std::uintptr_t address, FileSymbol& found) noexcept;

}  // namespace berth::profiling
