// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// A handler of ours on a real-time signal that nobody uses, for a while. The host may take the same signal at any
// moment: whatever comes out when ours is put in, or back out, and is not what was expected there, is the host's and
// goes back.
#pragma once

#include <csignal>
#include <cstdint>

namespace berth::signals {

// Where the handler runs in a thread that has given its handlers another stack (sigaltstack). The system does not look
// whether that is still mapped: one that lies in a module which has left kills the process.
enum class HandlerStack : std::uint8_t { Alternate, OfThread };

class BorrowedSignal {
 public:
  using Handler = void (*)(int, siginfo_t*, void*);

  // The highest one below SIGRTMAX that has no handler.
  BorrowedSignal(Handler handler, HandlerStack stack) noexcept;
  // Discards what is pending of it in any thread.
  ~BorrowedSignal();
  BorrowedSignal(const BorrowedSignal&) = delete;
  BorrowedSignal& operator=(const BorrowedSignal&) = delete;

  // 0: none is free.
  int number() const noexcept { return number_; }

 private:
  Handler handler_;
  int number_ = 0;
};

// Whether a handler with this action, of this signal, says that threads here have stacks which are too small for
// handlers, as Go's have. One that is installed for the end of the process does not: it is for stacks that have
// overflowed.
bool tells_of_small_stacks(int signal, const struct sigaction& action) noexcept;

// Whether any handler of the process does.
bool threads_have_small_stacks() noexcept;

}  // namespace berth::signals
