// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
#include "arenas/ledger.hpp"

#include <atomic>

#include "arenas/assert.hpp"
#include "arenas/line_table.hpp"

namespace berth::core::ledger {

namespace {

enum class State : std::uint32_t { Free, Reserved, Deferred };

struct Line {
  char* base;
  std::size_t bytes;
  std::uint64_t owner;
  State state;
};

// All of it under guard, but `deferred`, which a caller may read without it: written under the guard, relaxed,
// because a reader that misses the latest change only tries again one call later.
// The guard is held over the system call as well, so that a fork never finds a range that is mapped and not listed, or
// listed and not mapped any more: the child could not tell it from a stranger's. The system takes such calls of one
// process one after the other anyway.
constinit pal::Lock guard{pal::LockRank::Ledger};
constinit LineTable<Line, kCapacity> lines;
constinit LedgerTotals sums = {};
constinit std::atomic<std::size_t> deferred{0};

void strike(std::uint32_t line) noexcept {
  --sums.reservations;
  sums.reserved_bytes -= lines[line].bytes;
  lines[line] = {};
  lines.put_back(line);
}

void drop_memory(std::uint32_t line) noexcept {
  pal::decommit(lines[line].base, lines[line].bytes);
  pal::protect(lines[line].base, lines[line].bytes, pal::Protection::None);
  pal::leave_out_of_core(lines[line].base, lines[line].bytes);
}

// False: the map table is full. The memory goes all the same, and nobody can reach the range.
bool give_back(std::uint32_t line) noexcept {
  if (pal::release(lines[line].base, lines[line].bytes)) {
    strike(line);
    return true;
  }
  drop_memory(line);
  lines[line].state = State::Deferred;
  ++sums.deferred;
  deferred.store(sums.deferred, std::memory_order_relaxed);
  return false;
}

}  // namespace

Reservation reserve(std::size_t bytes, pal::Access access, std::uint64_t owner) noexcept {
  retry_deferred();
  const pal::LockGuard held(guard);
  const std::uint32_t line = lines.take();
  if (line == lines.kFull) return {};
  auto* base = static_cast<char*>(pal::reserve(bytes, access));
  if (base == nullptr) {
    lines.put_back(line);
    return {};
  }
  lines[line] = {base, bytes, owner, State::Reserved};
  ++sums.reservations;
  sums.reserved_bytes += bytes;
  return {base, bytes, line};
}

Release release(const Reservation& reservation) noexcept {
  const pal::LockGuard held(guard);
  BERTH_ASSERT(reservation && lines[reservation.line].base == reservation.base);
  return give_back(reservation.line) ? Release::Done : Release::Deferred;
}

void release_orphans(bool (*is_owned)(const Reservation&)) noexcept {
  for (std::uint32_t line = lines.next(0); line != lines.kFull; line = lines.next(line + 1)) {
    if (lines[line].state == State::Reserved && !is_owned({lines[line].base, lines[line].bytes, line})) give_back(line);
  }
}

void release_everything() noexcept {
  // A release may free an entry of the map table, which is what another one lacked.
  bool progress = true;
  while (progress && sums.reservations > 0) {
    progress = false;
    for (std::uint32_t line = lines.next(0); line != lines.kFull; line = lines.next(line + 1)) {
      if (lines[line].state == State::Free || !pal::release(lines[line].base, lines[line].bytes)) continue;
      strike(line);
      progress = true;
    }
  }
  if (sums.reservations == 0) return;
  for (std::uint32_t line = lines.next(0); line != lines.kFull; line = lines.next(line + 1)) {
    if (lines[line].state == State::Reserved) drop_memory(line);
  }
  constexpr char kText[] = "berth: a module was unloaded, but the system kept some of its address space\n";
  pal::write_error(kText, sizeof(kText) - 1);
}

void retry_deferred() noexcept {
  if (deferred.load(std::memory_order_relaxed) == 0) return;
  const pal::LockGuard held(guard);
  for (std::uint32_t line = lines.next(0); line != lines.kFull && sums.deferred > 0; line = lines.next(line + 1)) {
    if (lines[line].state != State::Deferred || !pal::release(lines[line].base, lines[line].bytes)) continue;
    strike(line);
    --sums.deferred;
  }
  deferred.store(sums.deferred, std::memory_order_relaxed);
}

LedgerTotals totals() noexcept {
  const pal::LockGuard held(guard);
  return sums;
}

pal::Lock& lock() noexcept { return guard; }

}  // namespace berth::core::ledger
