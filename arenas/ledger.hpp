// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// The ledger: every reservation that Berth makes in this process passes through it. With no instance alive it
// reads zero, and /proc agrees. A range that the system would not take back ("one instance, one span") stays listed as
// deferred, without memory, and is tried again by each later reserve and release.
#pragma once

#include <cstddef>
#include <cstdint>

#include "arenas/pal/lock.hpp"
#include "arenas/pal/pal.hpp"

namespace berth::core {

// One reservation; a plain value, because Span and the ledger share it.
struct Reservation {
  char* base = nullptr;
  std::size_t bytes = 0;
  std::uint32_t line = 0;  // of the ledger

  explicit operator bool() const noexcept { return base != nullptr; }
};

struct LedgerTotals {
  std::size_t reservations;
  std::size_t reserved_bytes;
  std::size_t deferred;  // of the reservations
};

namespace ledger {

// Reservations that may exist at once. Linux' default map table (65,530 entries) ends first.
inline constexpr std::uint32_t kCapacity = 65536;

// `owner` is the id of the instance, 0: the library itself. An empty Reservation if the system refuses or the ledger
// is full.
Reservation reserve(std::size_t bytes, pal::Access access, std::uint64_t owner) noexcept;

enum class Release : std::uint8_t { Done, Deferred };
Release release(const Reservation& reservation) noexcept;

// Tries again to give deferred ranges back; costs one load if there are none.
void retry_deferred() noexcept;

// Gives every range back that is listed, whatever its state: the end of the module that this library sits in. What the
// system refuses even now loses its memory, and standard error says so: nobody is left who could try again. Takes no
// lock: nobody may be in the library, and one that a forking thread took would never come back, because the loader has
// removed the fork handlers already.
void release_everything() noexcept;

// For the fork handlers, under lock(), in the child: gives back each reserved range that `is_owned` denies, because the
// fork cut off the creation or the release that it belonged to.
void release_orphans(bool (*is_owned)(const Reservation&)) noexcept;

LedgerTotals totals() noexcept;

// The lock of the ledger, for the fork handlers.
pal::Lock& lock() noexcept;

}  // namespace ledger

}  // namespace berth::core
