// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
#include "allocator/misuse/log.hpp"

#include <cstring>

#include "arenas/pal/pal.hpp"

namespace berth::core::log {

namespace {

constinit pal::Lock guard{pal::LockRank::Log};
struct Target {
  Handler handler = nullptr;
  RecordCaller caller = nullptr;
  AnyFunction function = nullptr;
  void* context = nullptr;
};
constinit Target current{};  // under the guard

}  // namespace

void set_handler(Handler handler, void* context) noexcept {
  const pal::LockGuard held(guard);
  current = {handler, nullptr, nullptr, context};
}

void set_record_handler(RecordCaller caller, AnyFunction function, void* context) noexcept {
  const pal::LockGuard held(guard);
  current = {nullptr, caller, function, context};
}

void write(Severity severity, Code code, const char* line) noexcept {
  Target target;
  {
    const pal::LockGuard held(guard);
    target = current;
  }
  if (target.handler != nullptr || target.function != nullptr) {
    const pal::NoCancellation alive;
    if (target.handler != nullptr) {
      target.handler(target.context, line);
    } else {
      target.caller(target.function, target.context, severity, code, line);
    }
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
