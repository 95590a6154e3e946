// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// sigaction(3) may be that of a library that stands between (a sanitizer's), which delays handlers until a thread calls
// the C library next. So the handler is put in past it: rt_sigaction(2).
#include "host_api/src/signals/borrowed_signal_linux.hpp"

#include <algorithm>
#include <array>
#include <cstring>

#include "host_api/src/signals/kernel_action_linux.hpp"

namespace berth::signals {

namespace {

bool is_handler(const struct sigaction& action) noexcept {
  return (action.sa_flags & SA_SIGINFO) != 0 || (action.sa_handler != SIG_DFL && action.sa_handler != SIG_IGN);
}

bool is_default(const struct sigaction& action) noexcept {
  return (action.sa_flags & SA_SIGINFO) == 0 && action.sa_handler == SIG_DFL;
}

// What the system calls is then our handler, not that of a library that stands between.
void put_in_directly(int signal, BorrowedSignal::Handler handler) noexcept {
  KernelAction action = {};
  if (!read_kernel_action(signal, action) || action.handler == handler) return;
  action.handler = handler;
  write_kernel_action(signal, action);
}

}  // namespace

BorrowedSignal::BorrowedSignal(Handler handler, HandlerStack stack) noexcept : handler_(handler) {
  struct sigaction ours = {};
  ours.sa_sigaction = handler;
  ours.sa_flags = SA_SIGINFO | SA_RESTART | (stack == HandlerStack::Alternate ? SA_ONSTACK : 0);
  std::memset(&ours.sa_mask, 0xff, sizeof(ours.sa_mask));  // with that of pthread_cancel, which sigfillset spares
  for (int signal = SIGRTMAX - 1; signal > SIGRTMIN; --signal) {
    struct sigaction current;
    if (::sigaction(signal, nullptr, &current) != 0 || !is_default(current)) continue;
    if (::sigaction(signal, &ours, &current) != 0) continue;
    if (is_default(current)) {
      number_ = signal;
      put_in_directly(signal, handler);
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

bool tells_of_small_stacks(int signal, const struct sigaction& action) noexcept {
  constexpr std::array kEndProcess = {SIGHUP, SIGINT, SIGQUIT, SIGILL,  SIGTRAP, SIGABRT,
                                      SIGBUS, SIGFPE, SIGSEGV, SIGTERM, SIGSYS};
  return is_handler(action) && (action.sa_flags & SA_ONSTACK) != 0 &&
         std::find(kEndProcess.begin(), kEndProcess.end(), signal) == kEndProcess.end();
}

bool threads_have_small_stacks() noexcept {
  for (int signal = 1; signal <= SIGRTMAX; ++signal) {
    struct sigaction action = {};
    if (::sigaction(signal, nullptr, &action) == 0 && tells_of_small_stacks(signal, action)) return true;
  }
  return false;
}

}  // namespace berth::signals
