// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Findings: misuse that shows in the midst of other work, when a lock is held or lists are half changed. It is noted
// here, and reported at the end of the operation that found it.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "allocator/settings.hpp"

namespace berth::core {

struct Finding {
  MisuseKind kind;
  const void* block;
};

class Findings {
 public:
  // Beyond so many at once the rest is not told one by one; what was found is kept out of use all the same.
  static constexpr std::size_t kCapacity = 8;

  void add(MisuseKind kind, const void* block) noexcept {
    const std::uint64_t note = reinterpret_cast<std::uintptr_t>(block) << kKindBits | static_cast<std::uint64_t>(kind);
    for (std::atomic<std::uint64_t>& place : notes_) {
      std::uint64_t empty = 0;
      if (place.compare_exchange_strong(empty, note, std::memory_order_relaxed)) break;
    }
    any_.store(true, std::memory_order_relaxed);
  }

  bool any() const noexcept { return any_.load(std::memory_order_relaxed); }

  // Calls `tell` with each, taken out.
  template <typename Tell>
  void take(Tell tell) noexcept {
    any_.store(false, std::memory_order_relaxed);
    for (std::atomic<std::uint64_t>& place : notes_) {
      const std::uint64_t note = place.exchange(0, std::memory_order_relaxed);
      if (note != 0) {
        tell(Finding{static_cast<MisuseKind>(note & ((1u << kKindBits) - 1)),
                     reinterpret_cast<const void*>(note >> kKindBits)});
      }
    }
  }

 private:
  static constexpr unsigned kKindBits = 3;  // and 47 of the address

  // Any thread, relaxed: who has added a finding sees it itself; if another thread takes it first, that one tells.
  std::array<std::atomic<std::uint64_t>, kCapacity> notes_{};
  std::atomic<bool> any_{false};
};

}  // namespace berth::core
