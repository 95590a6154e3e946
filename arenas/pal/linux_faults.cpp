// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Faults on Linux: SIGSEGV and SIGBUS. The thread's alternate stack may be just large enough for the system's part of a
// handler, so what the observer needs lies elsewhere: on a stack of ours, for one thread at a time.
#if defined(__linux__)

#include <signal.h>
#include <ucontext.h>

#include <atomic>
#include <cstdint>

#include "arenas/pal/call_on_stack_linux.hpp"
#include "arenas/pal/errno_keeper.hpp"
#include "arenas/pal/faults.hpp"
#include "arenas/pal/lock.hpp"
#include "arenas/pal/pal.hpp"
#include "arenas/pal/signal_records_aarch64.hpp"

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
#elif defined(__aarch64__)
Fault describe(const siginfo_t& info, const ucontext_t& context) noexcept {
  const auto& state = context.uc_mcontext;
  const auto* code = reinterpret_cast<const void*>(state.pc);
  Fault fault{aarch64::kind_of_fault(state.__reserved, sizeof(state.__reserved), info.si_addr, code), info.si_addr,
              code};
  for (std::size_t index = 0; index < fault.registers.size(); ++index) {
    fault.registers[index] = static_cast<std::uintptr_t>(state.regs[index]);
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

// What the observer may need, with room for the loader, which binds the functions that it is the first to call.
constexpr std::size_t kObserverBytes = 16 << 10;
alignas(16) constinit char observer_stack[kObserverBytes] = {};
// Whose the stack is, by the token; 0: nobody's. Taken by CAS (acquire), given back by a store (release): the next one
// writes over what the last one has left.
constinit std::atomic<std::uintptr_t> observing{0};

struct Sight {
  FaultObserver observer;
  const siginfo_t& info;
  const ucontext_t& context;
};

void observe(void* seen) noexcept {
  const Sight& sight = *static_cast<const Sight*>(seen);
  sight.observer(describe(sight.info, sight.context));
}

// Whether a handler's stack, which is the thread's own or has a known size, has room for the observer.
bool has_room(const stack_t& alternate) noexcept {
  const std::uintptr_t here = reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0));
  const std::uintptr_t room = here - reinterpret_cast<std::uintptr_t>(alternate.ss_sp);
  return room >= alternate.ss_size || room >= kObserverBytes / 2;
}

// A frame of its own, and a small one: it is gone when the earlier handler runs.
[[gnu::noinline]] void tell(const siginfo_t& info, const ucontext_t& context) noexcept {
  constexpr int kPatience = 1000;  // a thread that was in a report when the process forked does not end it in the child
  constexpr std::uint64_t kPause = 100'000;
  const ErrnoKeeper keeper;
  Sight sight{current.load(std::memory_order_acquire), info, context};
  // Sent by a process, not by an access.
  if (sight.observer == nullptr || info.si_code <= 0) return;
  const std::uintptr_t self = thread_token();
  for (int tries = 0; kCanCallOnStack && tries < kPatience; ++tries) {
    std::uintptr_t holder = 0;
    if (observing.compare_exchange_strong(holder, self, std::memory_order_acquire, std::memory_order_relaxed)) {
      call_on_stack(observer_stack + kObserverBytes, observe, &sight);
      observing.store(0, std::memory_order_release);
      return;
    }
    if (holder == self) return;  // the report itself has met a fault
    sleep(kPause);
  }
  if (has_room(context.uc_stack)) return observe(&sight);
  constexpr char kText[] = "berth: fault: the signal stack has no room to say more\n";
  write_error(kText, sizeof(kText) - 1);
}

// The loader binds a function at its first call, which may need 3 KiB of the stack: so the handler's are called before.
void bind_functions() noexcept {
  sigset_t none;
  sigset_t before;
  ::sigemptyset(&none);
  ::sigaddset(&none, SIGSEGV);
  if (::sigismember(&none, SIGSEGV) == 1) ::sigemptyset(&none);
  ::pthread_sigmask(SIG_BLOCK, &none, &before);
  if (thread_token() != 0) sleep(1);
}

// The handler that was there before is called as the system would call it: with its mask, which ours has taken over, on
// the stack that it asked for, and once only if it asked for that. It may never return (siglongjmp), so nothing of this
// function is on its way out then.
[[gnu::noinline]] void pass_on(int signal_number, siginfo_t* info, void* context) noexcept {
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
  tell(*info, *static_cast<const ucontext_t*>(context));
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
  bind_functions();
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
