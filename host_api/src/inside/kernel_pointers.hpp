// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Pointers into a plugin that the system itself holds, and follows without asking: handlers of signals, stacks that
// they run on, functions of timers, locks that it is to release for a thread that ends.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>

#include "host_api/src/inside/alternate_stacks.hpp"
#include "host_api/src/inside/inside.hpp"

namespace berth::detail {

// What the signals' dispositions tell besides.
struct Dispositions {
  std::uintptr_t signal_return = 0;  // where handlers return to, 0 if there are none
  // A handler that is no fault's and no request to end has asked for an alternate stack: so do runtimes whose own
  // stacks are too small for any handler (Go's).
  bool small_stacks = false;
};

// Handlers, and where they return to; those too that Berth's fault handler calls in turn.
Obstacle find_handler(const Ground& ground, Dispositions& found);

// A timer that calls a function of the plugin's on a thread of its own.
Obstacle find_timer(const Ground& ground);

// A robust mutex of the plugin's that the thread holds: the system would write there at the thread's end.
Obstacle find_held_mutex(const Ground& ground, pid_t thread);

AlternateStack stack_of_this_thread() noexcept;

// The stack lies in the plugin, or covers some of it.
Obstacle find_stack(const Ground& ground, pid_t thread, bool myself, const AlternateStack& stack);

// Whether code that leaves with the plugin may give threads alternate stacks: else only those threads are asked for
// theirs that are asked anyway.
bool may_set_stacks(const Ground& ground);

// What an address is in: the file name of a module, or "it".
std::string module_at(std::uintptr_t address);

// "thread 12 "audio" ", or "the calling thread, 12 "audio" ".
std::string thread_called(pid_t thread, bool myself);

}  // namespace berth::detail
