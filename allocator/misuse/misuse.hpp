// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Misuse: tells the host which plugin did what, with which value. Without a handler one line goes to the log and the
// process aborts; with one, the call is dropped when it returns.
#pragma once

#include "allocator/instance.hpp"

namespace berth::core::misuse {

struct Call {
  const char* operation;  // of the handle
  const void* caller;     // return address
  std::size_t size = 0;   // that was passed, where one was
};

// An address that is no block of the instance that was asked to free, resize or measure it: finds out what it is.
void report_not_a_block(Instance& called, const void* address, const Call& call) noexcept;

// What was found on the way of an operation that is over now, no lock held. False: nothing.
bool report_findings(Instance& called, const Call& call) noexcept;

// A block before whose start somebody has written; or behind the bytes that were asked for.
void report_underrun(Instance& called, const void* block, const Call& call) noexcept;
void report_overrun(Instance& called, const void* block, const Call& call) noexcept;

void report(MisuseKind kind, Instance& called, const void* address, const Call& call) noexcept;

}  // namespace berth::core::misuse
