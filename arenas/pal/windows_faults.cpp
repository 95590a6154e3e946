// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Faults on Windows: a vectored exception handler, the last of them, so that those who mend a fault come first. The
// handlers of the frames, if any, come after it.
#if defined(_WIN32)

#include <windows.h>

#include <atomic>

#include "arenas/pal/errno_keeper.hpp"
#include "arenas/pal/faults.hpp"
#include "arenas/pal/lock.hpp"

namespace berth::pal {

namespace {

constexpr ULONG_PTR kWrite = 1;  // of EXCEPTION_RECORD's first parameter; 0: read
constexpr ULONG_PTR kExecution = 8;

constinit Lock guard{LockRank::Faults};
constinit void* registration = nullptr;  // under the guard
// Written under the guard (release), read by the handler (acquire).
constinit std::atomic<FaultObserver> current{nullptr};

Fault describe(const EXCEPTION_RECORD& record, const CONTEXT& context) noexcept {
  const auto* address = reinterpret_cast<const void*>(record.ExceptionInformation[1]);
  FaultKind kind = record.ExceptionInformation[0] == kWrite ? FaultKind::Write : FaultKind::Read;
  if (record.ExceptionInformation[0] == kExecution || address == record.ExceptionAddress) kind = FaultKind::Execution;
  return {kind,
          address,
          record.ExceptionAddress,
          {context.Rax, context.Rcx, context.Rdx, context.Rbx, context.Rsp, context.Rbp, context.Rsi, context.Rdi,
           context.R8, context.R9, context.R10, context.R11, context.R12, context.R13, context.R14, context.R15}};
}

LONG CALLBACK on_exception(EXCEPTION_POINTERS* exception) {
  const EXCEPTION_RECORD& record = *exception->ExceptionRecord;
  const bool is_access =
      record.ExceptionCode == EXCEPTION_ACCESS_VIOLATION || record.ExceptionCode == EXCEPTION_IN_PAGE_ERROR;
  if (is_access && record.NumberParameters >= 2) {
    const ErrnoKeeper keeper;
    if (const FaultObserver observer = current.load(std::memory_order_acquire)) {
      observer(describe(record, *exception->ContextRecord));
    }
  }
  return EXCEPTION_CONTINUE_SEARCH;
}

}  // namespace

FaultStatus observe_faults(FaultObserver observer) noexcept {
  const ErrnoKeeper keeper;
  const LockGuard held(guard);
  if (registration != nullptr) return FaultStatus::Taken;
  current.store(observer, std::memory_order_release);
  registration = AddVectoredExceptionHandler(0, on_exception);
  if (registration != nullptr) return FaultStatus::Done;
  current.store(nullptr, std::memory_order_release);
  return FaultStatus::Refused;
}

FaultStatus stop_observing_faults() noexcept {
  const ErrnoKeeper keeper;
  const LockGuard held(guard);
  if (registration == nullptr) return FaultStatus::None;
  RemoveVectoredExceptionHandler(registration);
  registration = nullptr;
  current.store(nullptr, std::memory_order_release);
  return FaultStatus::Done;
}

const void* handler_behind(int) noexcept { return nullptr; }  // the system keeps the list of handlers

}  // namespace berth::pal

#endif
