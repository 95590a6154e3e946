// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Numbers that one thread changes and any other may read: an instruction each where the processor has it, which is not
// locked and never seen half done. Compilers make three of a relaxed load and a relaxed store.
#pragma once

#include <atomic>
#include <cstdint>

namespace berth::pal {

// For the one who changes it. Relaxed: each number stands for itself.
inline void add_one(std::atomic<std::uint64_t>& number) noexcept {
#if defined(__x86_64__)
  __asm__("addq $1, %0" : "+m"(number) : : "cc");
#else
  number.store(number.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
#endif
}

// Takes one away. False: there was none, and the number has wrapped.
[[nodiscard]] inline bool take_one(std::atomic<std::uint32_t>& number) noexcept {
#if defined(__x86_64__)
  bool none = false;
  __asm__("subl $1, %0" : "+m"(number), "=@ccc"(none));
  return !none;
#else
  const std::uint32_t before = number.load(std::memory_order_relaxed);
  number.store(before - 1, std::memory_order_relaxed);
  return before != 0;
#endif
}

}  // namespace berth::pal
