// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Unwind tables: from one frame to its caller by what the compiler has told of the function (.eh_frame, System V ABI
// for x86-64, DWARF 5 section 6.4). Of the registers only those are followed that the next step needs.
#pragma once

#include <cstdint>

#include "host_api/src/unwinding/stack_memory_linux.hpp"

namespace berth::unwinding {

struct Registers {
  std::uintptr_t instruction = 0;
  std::uintptr_t stack = 0;
  std::uintptr_t frame = 0;  // rbp, whatever it is used for
  bool is_exact = true;      // the instruction itself; else the one behind a call
};

enum class Step : std::uint8_t { Done, End, NoTables, Damaged };

// To the caller. Anything but Done leaves the registers as they were.
Step step_by_tables(Registers& registers, StackMemory& memory) noexcept;

// Whether an address lies in a module that the loader knows.
bool is_known_code(std::uintptr_t address) noexcept;

}  // namespace berth::unwinding
