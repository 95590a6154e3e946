// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
#include "allocator/misuse/log.hpp"

#include <cstring>

#include "arenas/pal/pal.hpp"

namespace berth::core::log {

namespace {

constinit pal::Lock guard{pal::LockRank::Log};
constinit Handler current_handler = nullptr;  // both under the guard
constinit void* current_context = nullptr;

}  // namespace

void set_handler(Handler handler, void* context) noexcept {
  const pal::LockGuard held(guard);
  current_handler = handler;
  current_context = context;
}

void write(const char* line) noexcept {
  Handler handler = nullptr;
  void* context = nullptr;
  {
    const pal::LockGuard held(guard);
    handler = current_handler;
    context = current_context;
  }
  if (handler != nullptr) {
    const pal::NoCancellation alive;
    handler(context, line);
    return;
  }
  write_to_standard_error(line);
}

void write_to_standard_error(const char* line) noexcept {
  // One write for the line and its break, so that lines of different threads do not mix.
  char buffer[640];
  const std::size_t length = strnlen(line, sizeof(buffer) - 1);
  std::memcpy(buffer, line, length);
  buffer[length] = '\n';
  pal::write_error(buffer, length + 1);
}

pal::Lock& lock() noexcept { return guard; }

}  // namespace berth::core::log
