// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Stack memory: words of the calling thread's stack, wherever a damaged frame says that they lie. A page is looked at
// only when the system has said that it can be read. Frames rise, and none is larger than 1 MiB: what lies further off
// is taken for damage.
#pragma once

#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>

#include "arenas/pal/pal.hpp"

namespace berth::unwinding {

inline constexpr std::uintptr_t kLargestFrame = std::uintptr_t{1} << 20;

class StackMemory {
 public:
  explicit StackMemory(std::uintptr_t stack_pointer) noexcept : first_(stack_pointer >> pal::kPageShift) {}

  // False: there is no such word.
  bool read(std::uintptr_t address, std::uintptr_t& word) noexcept {
    if (address % sizeof(word) != 0 || !is_readable(address >> pal::kPageShift)) return false;
    word = *reinterpret_cast<const std::uintptr_t*>(address);
    return true;
  }

 private:
  bool is_readable(std::uintptr_t page) noexcept {
    if (page == first_ || page == last_) return true;
    // The system reads the set before it finds that there is no such way to change the mask: EINVAL, and nothing was
    // changed; EFAULT where it cannot be read.
    constexpr int kNoSuchWay = -1;
    constexpr std::size_t kSetBytes = 8;
    if (syscall(SYS_rt_sigprocmask, kNoSuchWay, page << pal::kPageShift, nullptr, kSetBytes) == 0 || errno != EINVAL) {
      return false;
    }
    last_ = page;
    return true;
  }

  std::uintptr_t first_;
  std::uintptr_t last_ = 0;
};

}  // namespace berth::unwinding
