// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Log: where messages go; standard error unless the host says otherwise.
#pragma once

#include <cstdint>

#include "arenas/pal/lock.hpp"

namespace berth::core::log {

using Handler = void (*)(void* context, const char* line);

// As berth/log.h numbers them.
enum class Severity : std::uint32_t { Info = 100, Warning = 200, Error = 300, Fatal = 400 };
enum class Code : std::uint32_t {
  Other = 0,
  Misuse = 1,
  NotLocked = 2,
  CreateFailed = 3,
  HostEnded = 4,
  StopHasThrown = 5
};

// Null: standard error. One of the two at a time: the last one that was set.
void set_handler(Handler handler, void* context) noexcept;
// The caller puts a record together, and calls the host's function with it.
using AnyFunction = void (*)();
using RecordCaller = void (*)(AnyFunction function, void* context, Severity severity, Code code, const char* line);
void set_record_handler(RecordCaller caller, AnyFunction function, void* context) noexcept;

// One line, without its line break. The handler runs without any lock held.
void write(Severity severity, Code code, const char* line) noexcept;
inline void write(const char* line) noexcept { write(Severity::Warning, Code::Other, line); }

// The same past the host's handler. [signal-safe]
void write_to_standard_error(const char* line) noexcept;

// For the fork handlers.
pal::Lock& lock() noexcept;

}  // namespace berth::core::log
