// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Return addresses as they lie on a stack or in a register. On AArch64 a function may have signed its own with a code
// in the bits that no address uses (pointer authentication); and a processor that knows none of it runs the same code.
#pragma once

#include <cstdint>

namespace berth::pal {

namespace aarch64 {

// The address without its code. A program's addresses have 48 bits there unless it asks for more, which Berth's do not
// get and code does not lie in; so bits 48 to 63 are the code's and zero in the address.
constexpr std::uintptr_t without_code(std::uintptr_t word) noexcept { return word & ((std::uintptr_t{1} << 48) - 1); }

// Whether an instruction is a call: BL, BLR, and the four forms of BLR that check a signed address (BLRAA, BLRAB,
// BLRAAZ, BLRABZ). Arm Architecture Reference Manual, C4.1.
constexpr bool is_call(std::uint32_t instruction) noexcept {
  return (instruction & 0xfc000000) == 0x94000000 || (instruction & 0xfffffc1f) == 0xd63f0000 ||
         (instruction & 0xfffff81f) == 0xd63f081f || (instruction & 0xfffff800) == 0xd73f0800;
}
inline constexpr std::uintptr_t kInstructionBytes = 4;

}  // namespace aarch64

constexpr std::uintptr_t return_address(std::uintptr_t word) noexcept {
#if defined(__aarch64__)
  return aarch64::without_code(word);
#else
  return word;
#endif
}

}  // namespace berth::pal
