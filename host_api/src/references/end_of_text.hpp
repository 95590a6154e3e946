// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Texts that end in a word: a path is written where an address was, and its last characters with their zero take the
// address' low bytes. What is left looks like an address within 64 KiB or 16 MiB of it.
#pragma once

#include <cstddef>
#include <cstdint>

namespace berth::references {

inline bool is_printable(std::uintptr_t byte) noexcept { return byte >= ' ' && byte <= '~'; }

// How many low bytes of a word are the last characters of a text and its zero; 0: none, or all.
inline unsigned end_of_text(std::uintptr_t word) noexcept {
  for (unsigned count = 1; count < sizeof(word); ++count, word >>= 8) {
    const std::uintptr_t byte = word & 0xff;
    if (byte == 0) return count;
    if (!is_printable(byte)) return 0;
  }
  return 0;
}

// Whether a word ends a text that begins before it. An address whose last byte is zero is an address, whatever lies
// before it: so do functions begin. `before` is the word that lies there; of its bytes the last four decide.
inline bool ends_text(std::uintptr_t before, std::uintptr_t word) noexcept {
  if (end_of_text(word) < 2) return false;
  for (unsigned byte = 4; byte < sizeof(before); ++byte) {
    if (!is_printable(before >> (byte * 8) & 0xff)) return false;
  }
  return true;
}

}  // namespace berth::references
