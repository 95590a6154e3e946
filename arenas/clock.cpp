// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
#include "arenas/clock.hpp"

#include <atomic>

#include "arenas/pal/pal.hpp"

namespace berth::core::clock {

namespace {

// Written by a test before it starts what asks; relaxed: a function stands for itself.
constinit std::atomic<Source> replacement{nullptr};

}  // namespace

std::uint64_t milliseconds() noexcept {
  const Source source = replacement.load(std::memory_order_relaxed);
  return source != nullptr ? source() : pal::monotonic_nanoseconds() / 1000000;
}

void replace(Source source) noexcept { replacement.store(source, std::memory_order_relaxed); }

}  // namespace berth::core::clock
