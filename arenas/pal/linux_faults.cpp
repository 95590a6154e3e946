// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Faults on Linux: SIGSEGV and SIGBUS.
#if defined(__linux__)

#include <signal.h>
#include <ucontext.h>

#include <atomic>

#include "arenas/pal/errno_keeper.hpp"
#include "arenas/pal/faults.hpp"
#include "arenas/pal/lock.hpp"

namespace berth::pal {

namespace {

constexpr int kSignals[] = {SIGSEGV, SIGBUS};

constinit Lock guard{LockRank::Faults};
// What was there before. Written under the guard before our handler is there, constant while it is.
struct sigaction previous[2];
// Whether a previous handler that asked to be called once (SA_RESETHAND) has been. Set by the handler, cleared under
// the guard before ours is there.
constinit std::atomic<bool> spent[2] = {};
// Written under the guard (release), read by the handler (acquire): it sees `previous`.
constinit std::atomic<FaultObserver> current{nullptr};

#if defined(__x86_64__)
constexpr greg_t kWriteBit = 2;  // of the page fault's error code (Intel SDM, volume 3, 4.7)
constexpr greg_t kFetchBit = 16;

Fault describe(const siginfo_t& info, const ucontext_t& context) noexcept {
  const auto& registers = context.uc_mcontext.gregs;
  const auto* code = reinterpret_cast<const void*>(registers[REG_RIP]);
  FaultKind kind = (registers[REG_ERR] & kWriteBit) != 0 ? FaultKind::Write : FaultKind::Read;
  if ((registers[REG_ERR] & kFetchBit) != 0 || info.si_addr == code) kind = FaultKind::Execution;
  Fault fault{kind, info.si_addr, code};
  for (std::size_t index = 0; index < fault.registers.size(); ++index) {
    fault.registers[index] = static_cast<std::uintptr_t>(registers[index]);  // R8 to RSP come first
  }
  return fault;
}
#else
Fault describe(const siginfo_t& info, const ucontext_t&) noexcept { return {FaultKind::Access, info.si_addr, nullptr}; }
#endif

int index_of(int signal_number) noexcept { return signal_number == SIGSEGV ? 0 : 1; }

bool has_handler(const struct sigaction& action) noexcept {
  return (action.sa_flags & SA_SIGINFO) != 0 || (action.sa_handler != SIG_DFL && action.sa_handler != SIG_IGN);
}

// The handler that was there before is called as the system would call it: with its mask, which ours has taken over, on
// the stack that it asked for, and once only if it asked for that. It may never return (siglongjmp), so nothing of this
// function is on its way out then.
void pass_on(int signal_number, siginfo_t* info, void* context) noexcept {
  const int index = index_of(signal_number);
  struct sigaction before = previous[index];
  // relaxed: of several threads that fault at once one gets the handler; nothing else hangs on it.
  if ((before.sa_flags & static_cast<int>(SA_RESETHAND)) != 0 &&
      spent[index].exchange(true, std::memory_order_relaxed)) {
    before.sa_handler = SIG_DFL;
    before.sa_flags &= ~SA_SIGINFO;
  }
  if (has_handler(before)) {
    if ((before.sa_flags & SA_NODEFER) != 0 && ::sigismember(&before.sa_mask, signal_number) == 0) {
      sigset_t itself;
      ::sigemptyset(&itself);
      ::sigaddset(&itself, signal_number);
      ::pthread_sigmask(SIG_UNBLOCK, &itself, nullptr);
    }
    if ((before.sa_flags & SA_SIGINFO) != 0) return before.sa_sigaction(signal_number, info, context);
    return before.sa_handler(signal_number);
  }
  const bool sent = info->si_code <= 0;
  if (sent && before.sa_handler == SIG_IGN) return;
  // The instruction faults again and the system does what it does without a handler. A signal that was only sent does
  // not repeat itself: it is sent again, and comes when this handler has returned.
  const ErrnoKeeper keeper;
  ::sigaction(signal_number, &before, nullptr);
  if (sent) ::raise(signal_number);
}

void on_signal(int signal_number, siginfo_t* info, void* context) {
  {
    const ErrnoKeeper keeper;
    const FaultObserver observer = current.load(std::memory_order_acquire);
    // Sent by a process, not by an access.
    if (observer != nullptr && info->si_code > 0) observer(describe(*info, *static_cast<const ucontext_t*>(context)));
  }
  pass_on(signal_number, info, context);
}

bool is_ours(int signal_number) noexcept {
  struct sigaction now;
  return ::sigaction(signal_number, nullptr, &now) == 0 && (now.sa_flags & SA_SIGINFO) != 0 &&
         now.sa_sigaction == on_signal;
}

}  // namespace

FaultStatus observe_faults(FaultObserver observer) noexcept {
  const ErrnoKeeper keeper;
  const LockGuard held(guard);
  if (current.load(std::memory_order_relaxed) != nullptr) return FaultStatus::Taken;
  for (int index = 0; index < 2; ++index) {
    if (::sigaction(kSignals[index], nullptr, &previous[index]) != 0) return FaultStatus::Refused;
    spent[index].store(false, std::memory_order_relaxed);
  }
  current.store(observer, std::memory_order_release);
  for (int index = 0; index < 2; ++index) {
    const struct sigaction& before = previous[index];
    struct sigaction ours = {};
    ours.sa_sigaction = on_signal;
    ours.sa_flags = SA_SIGINFO;
    ours.sa_mask = before.sa_mask;
    if (has_handler(before)) {
      // It runs on our stack: the one that it was made for. A call that a sent signal interrupts goes on, or does not.
      ours.sa_flags |= before.sa_flags & (SA_ONSTACK | SA_RESTART);
    } else {
      // On the alternate stack where there is one: the fault may be a stack that has run out.
      ours.sa_flags |= SA_ONSTACK;
    }
    ::sigaction(kSignals[index], &ours, nullptr);
  }
  return FaultStatus::Done;
}

FaultStatus stop_observing_faults() noexcept {
  const ErrnoKeeper keeper;
  const LockGuard held(guard);
  if (current.load(std::memory_order_relaxed) == nullptr) return FaultStatus::None;
  for (const int signal_number : kSignals) {
    struct sigaction now;
    // A signal whose default was restored by a fault is ours no more, and needs nothing.
    if (::sigaction(signal_number, nullptr, &now) == 0 && now.sa_handler != SIG_DFL && !is_ours(signal_number)) {
      return FaultStatus::Taken;
    }
  }
  for (int index = 0; index < 2; ++index) {
    struct sigaction before = previous[index];
    if (spent[index].load(std::memory_order_relaxed)) before.sa_handler = SIG_DFL;  // as the system leaves it
    if (is_ours(kSignals[index])) ::sigaction(kSignals[index], &before, nullptr);
  }
  current.store(nullptr, std::memory_order_release);
  return FaultStatus::Done;
}

const void* handler_behind(int signal_number) noexcept {
  const ErrnoKeeper keeper;
  const LockGuard held(guard);
  if (current.load(std::memory_order_relaxed) == nullptr) return nullptr;
  for (int index = 0; index < 2; ++index) {
    if (kSignals[index] != signal_number) continue;
    const struct sigaction& before = previous[index];
    if ((before.sa_flags & SA_SIGINFO) != 0) return reinterpret_cast<const void*>(before.sa_sigaction);
    if (before.sa_handler != SIG_DFL && before.sa_handler != SIG_IGN) {
      return reinterpret_cast<const void*>(before.sa_handler);
    }
  }
  return nullptr;
}

}  // namespace berth::pal

#endif
