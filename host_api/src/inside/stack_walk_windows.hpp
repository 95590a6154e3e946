// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Whether a thread is inside a plugin's code, from a copy of its registers and its stack: a thread is inside while a
// frame of the plugin is on the stack, or while its program counter is in the plugin.
#pragma once

#include <windows.h>

#include <cstdint>
#include <span>

#include "host_api/src/modules/code_range.hpp"

namespace berth::detail {

// The words from a stack pointer to the end of the stack, and where they lay when they were copied. Behind the copy
// there are kSpareWords of zeros, so that a walk that goes astray ends.
struct StackCopy {
  static constexpr std::size_t kSpareWords = 512;
  std::span<const std::uint64_t> words;
  std::uint64_t begin = 0;
};

struct Standing {
  enum Kind { Outside, Inside, MaybeInside };
  Kind kind = Outside;
  std::uintptr_t address = 0;  // in the plugin's code, 0 if there is none
};

// Outside is certain. MaybeInside is not: there are words that follow a call in the plugin, stale ones perhaps, and the
// walk over the frames broke off. Allocates nothing. [any thread]
Standing stand_of(std::span<const CodeRange> code, const CONTEXT& context, const StackCopy& stack) noexcept;

// The same for the caller of this function.
Standing stand_of_caller(std::span<const CodeRange> code) noexcept;

}  // namespace berth::detail
