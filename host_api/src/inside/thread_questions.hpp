// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Asks threads themselves where they stand, by a signal whose handler looks at its own stack: the only way to know it
// of a thread that runs, and to tell live frames from stale words in the stack of one that does not.
#pragma once

#include <sys/types.h>

#include <span>

#include "host_api/src/inside/alternate_stacks.hpp"
#include "host_api/src/inside/stack_search.hpp"

namespace berth::detail {

struct ThreadQuestion {
  pid_t thread = 0;
  bool on_own_stack = false;  // to be asked on the stack that it runs on, even if it has another one for handlers
  bool answered = false;      // by the thread, or by its end, which leaves it Outside
  bool sent = false;          // it does not block the signal, and the system took the question
  Standing answer;
  AlternateStack stack;  // that it has, also where it has no room for an answer
};

// Asks all of them at once and waits for the answers, a fifth of a second at most. `refusal` is an errno if the system
// refuses to send the signal, else 0. Leaves no handler and no pending
// signal behind. A thread that blocks the signal is not asked, nor is any if no real-time signal is free. A call of
// the kind that the system never restarts (poll, nanosleep; signal(7)) ends with EINTR in a thread that is asked.
// [any thread]
void ask_threads(const StackQuery& query, std::span<ThreadQuestion> questions, int& refusal);

}  // namespace berth::detail
