// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// sigaction(3) may be that of a library that stands between (a sanitizer's), which delays handlers until a thread calls
// the C library next. So the handler is put in past it: rt_sigaction(2).
#include "host_api/src/references/borrowed_signal_linux.hpp"

#include <cstring>

#include "host_api/src/inside/kernel_action_linux.hpp"

namespace berth::references {

namespace {

bool is_default(const struct sigaction& action) noexcept {
  return (action.sa_flags & SA_SIGINFO) == 0 && action.sa_handler == SIG_DFL;
}

}  // namespace

BorrowedSignal::BorrowedSignal(Handler handler) noexcept : handler_(handler) {
  struct sigaction ours = {};
  ours.sa_sigaction = handler;
  ours.sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK;
  std::memset(&ours.sa_mask, 0xff, sizeof(ours.sa_mask));  // with that of pthread_cancel, which sigfillset spares
  for (int signal = SIGRTMAX - 1; signal > SIGRTMIN; --signal) {
    struct sigaction current;
    if (::sigaction(signal, nullptr, &current) != 0 || !is_default(current)) continue;
    if (::sigaction(signal, &ours, &current) != 0) continue;
    if (is_default(current)) {
      number_ = signal;
      detail::KernelAction action = {};
      if (detail::read_kernel_action(signal, action) && action.handler != handler) {
        action.handler = handler;
        detail::write_kernel_action(signal, action);
      }
      return;
    }
    ::sigaction(signal, &current, nullptr);
  }
}

BorrowedSignal::~BorrowedSignal() {
  struct sigaction current;
  if (number_ == 0 || ::sigaction(number_, nullptr, &current) != 0 || current.sa_sigaction != handler_) return;
  // The default action of the signal ends the process: ignoring it first discards what is pending.
  struct sigaction plain = {};
  plain.sa_handler = SIG_IGN;
  ::sigaction(number_, &plain, &current);
  if (current.sa_sigaction == handler_) {
    current = {};
    current.sa_handler = SIG_DFL;
  }
  ::sigaction(number_, &current, nullptr);
}

}  // namespace berth::references
