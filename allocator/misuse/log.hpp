// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Log: where messages go; standard error unless the host says otherwise.
#pragma once

#include "arenas/pal/lock.hpp"

namespace berth::core::log {

using Handler = void (*)(void* context, const char* line);

// Null: standard error.
void set_handler(Handler handler, void* context) noexcept;

// One line, without its line break. The handler runs without any lock held.
void write(const char* line) noexcept;

// The same past the host's handler. [signal-safe]
void write_to_standard_error(const char* line) noexcept;

// For the fork handlers.
pal::Lock& lock() noexcept;

}  // namespace berth::core::log
