// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// A handler of ours on a real-time signal that nobody uses, for a while. The host may take the same signal at any
// moment: whatever comes out when ours is put in, or back out, and is not what was expected there, is the host's and
// goes back.
#pragma once

#include <csignal>

namespace berth::references {

class BorrowedSignal {
 public:
  using Handler = void (*)(int, siginfo_t*, void*);

  // The highest one below SIGRTMAX that has no handler.
  explicit BorrowedSignal(Handler handler) noexcept;
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

}  // namespace berth::references
