// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Faults: what the platform layer tells of an access to memory that is not there. The handlers that the process had
// before are called in turn, and are in their place again after the removal.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace berth::pal {

enum class FaultKind : std::uint8_t { Access, Read, Write, Execution };  // Access: the processor does not say which

#if defined(__aarch64__)
inline constexpr std::size_t kFaultRegisters = 31;
#else
inline constexpr std::size_t kFaultRegisters = 16;
#endif

struct Fault {
  FaultKind kind;
  const void* address;
  const void* code;  // the instruction that did it; the address itself where it was to be executed
  // What the general registers held: the thread was at work on some of it. Zeros where the system does not tell.
  std::array<std::uintptr_t, kFaultRegisters> registers{};
};

// Runs on the thread that faulted, in a signal handler: it may call what is signal-safe and must return.
using FaultObserver = void (*)(const Fault&);

enum class FaultStatus : std::uint8_t {
  Done,
  Taken,  // there is an observer already; or others have put their handlers over ours, which must go first
  None,   // nobody observes
  Refused
};

// One observer at a time.
FaultStatus observe_faults(FaultObserver observer) noexcept;
FaultStatus stop_observing_faults() noexcept;

// The handler that an observer's calls in turn: nobody else sees it meanwhile. nullptr if there is none.
const void* handler_behind(int signal_number) noexcept;

}  // namespace berth::pal
