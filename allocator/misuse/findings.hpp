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
      if (place.compare_exchange_strong(empty, note, std::memory_order_release, std::memory_order_relaxed)) break;
    }
    // An exchange, not a store: so it goes on with the release sequence of those that came before, and whoever takes
    // this `true` sees their notes as well.
    any_.exchange(true, std::memory_order_release);
  }

  // Relaxed: who has added reads its own `true`, or the `false` of a taker that came later and so sees its note; for
  // anybody else it is a guess, and take() decides.
  bool any() const noexcept { return any_.load(std::memory_order_relaxed); }

  // Calls `tell` with each, taken out. False: another thread was faster, and tells.
  template <typename Tell>
  bool take(Tell tell) noexcept {
    bool told = false;
    if (!any_.exchange(false, std::memory_order_acquire)) return false;
    for (std::atomic<std::uint64_t>& place : notes_) {
      const std::uint64_t note = place.exchange(0, std::memory_order_acquire);
      if (note != 0) {
        told = true;
        tell(Finding{static_cast<MisuseKind>(note & ((1u << kKindBits) - 1)),
                     reinterpret_cast<const void*>(note >> kKindBits)});
      }
    }
    return told;
  }

 private:
  static constexpr unsigned kKindBits = 3;  // and 61 of the address, more than one has

  // Any thread adds: a note first (release: with what the adder saw of the block), then `any_` (release). Any thread
  // takes: `any_` first (acquire), then the notes. In the order of the changes of `any_`, either the taker's comes
  // last, and it sees the note, or the adder's does, and `any_` stays true for the next one. So no note is left behind
  // a false `any_`. A true one may have no note behind it, when a taker came between the two: take() says so.
  std::array<std::atomic<std::uint64_t>, kCapacity> notes_{};
  std::atomic<bool> any_{false};
};

}  // namespace berth::core
