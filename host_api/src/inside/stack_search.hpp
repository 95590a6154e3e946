// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Whether a thread is inside a plugin's code, from its stack. A thread is inside while a frame of the plugin is on the
// stack, or while its program counter is in the plugin.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "host_api/src/modules/code_range.hpp"

namespace berth::detail {

// What is searched for.
struct StackQuery {
  std::span<const CodeRange> code;
  // Where signal handlers return to, 0 if there are none. A stack that holds it may go on elsewhere, below a handler on
  // an alternate stack.
  std::uintptr_t signal_return = 0;
  // Where the C library keeps the argument of a thread's start routine in the thread's descriptor, 0 if unknown.
  std::size_t argument_offset = 0;
};

struct Standing {
  enum Kind : std::uint32_t { Outside, Inside, MaybeInside };
  Kind kind = Outside;
  std::uintptr_t address = 0;  // in the plugin's code, 0 if there is none
};

// Searches the words from `sp` to the end of the stack, of any thread, for addresses that follow a call in the
// plugin's code. Outside is certain, if the thread has not run meanwhile: each frame of the plugin that is not the
// innermost has left such a word. MaybeInside is not: the word may be a stale one in a frame of somebody else, or the
// stack could not be read to its end (address 0). Reads through the system, so that a stack that vanishes is no fault.
// [any thread] [signal-safe]
Standing search_words(const StackQuery& query, std::uintptr_t sp) noexcept;

// Where the calling thread stands, or stood when a signal interrupted it at `pc` and `sp`: by the words, and where
// those leave it open by unwinding. [any thread] [signal-safe] once prepare_unwinding() has returned.
Standing search_this_thread(const StackQuery& query, std::uintptr_t pc, std::uintptr_t sp) noexcept;

// The same for the caller of this function.
Standing search_this_thread(const StackQuery& query) noexcept;

// The unwinder's first use initialises it and binds its symbols, which is nothing for a signal handler.
void prepare_unwinding() noexcept;

}  // namespace berth::detail
