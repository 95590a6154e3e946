// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Where a plugin's code lies: what a thread's stack, a signal's disposition or a fault address is compared with.
#pragma once

#include <cstdint>
#include <span>

namespace berth::detail {

// One executable segment of a mapped module. The end comes first: a list of these may take the place of a block that
// some thread was given as its argument and has freed, and one that began with an address of the plugin would pass for
// an argument that leads there (stack_search.hpp).
struct CodeRange {
  std::uintptr_t end = 0;
  std::uintptr_t begin = 0;
  bool readable = true;  // not with execute-only code

  bool contains(std::uintptr_t address) const noexcept { return address - begin < end - begin; }
};

// Inlined even where the compiler would share one copy of it: signal handlers must not get one that a sanitizer
// instruments.
[[gnu::always_inline]] inline const CodeRange* find_range(std::span<const CodeRange> code,
                                                          std::uintptr_t address) noexcept {
  for (const CodeRange& range : code) {
    if (range.contains(address)) return &range;
  }
  return nullptr;
}

}  // namespace berth::detail
