// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// The departed: what left this process a while ago, so that a late access is answered with a name. Records only, in
// rings of fixed size: destroyed spans, and the code of unloaded modules (of some also while they live). Without
// quarantine a record is all that is left, and its addresses may belong to others since. With it, the last spans stay
// reserved, inaccessible and without memory; of each one only a map of size classes is kept readable, one byte for each
// page that was in use.
#pragma once

#include <cstddef>
#include <cstdint>

#include "allocator/instance.hpp"
#include "allocator/misuse/text.hpp"
#include "arenas/ledger.hpp"
#include "arenas/pal/lock.hpp"

namespace berth::core::departed {

// The largest quarantine.
inline constexpr std::uint32_t kCapacity = 1024;

// How many destroyed spans stay reserved from now on; those beyond are released, the oldest first. False: more than
// kCapacity.
bool set_quarantine(std::uint32_t spans) noexcept;

// Releases what the quarantine holds, where addresses are needed more than names. False: it held nothing.
bool release_quarantine() noexcept;

// Ends the span of an instance that is not in the registry any more: into the quarantine, or out of the process.
// `returned_bytes`: what went out, unless the system defers it.
ledger::Release bury(Instance& instance, const char* name, std::size_t& returned_bytes) noexcept;

// The code of a module whose file has a name that says nothing (a private copy), for as long as it is there: whose it
// is. Those beyond kCapacity have the file's name. [any thread]
void announce_code(std::uintptr_t base, std::size_t bytes, const char* name, std::uint64_t id) noexcept;

// Adds, behind `prefix`, "plugin "reverb" (instance 3)+0x4b1d", if the address is in announced code. [signal-safe]
bool name_code(const void* address, Text& text, const char* prefix) noexcept;

// Remembers the code of a module that has left the process; forgets what was anywhere in a range where another module
// lies now. [any thread]
void remember_code(std::uintptr_t base, std::size_t bytes, const char* name) noexcept;
void forget_code(std::uintptr_t base, std::size_t bytes) noexcept;

// Adds, behind `prefix`, what an address was: "16 bytes into a block of 64 bytes of plugin "reverb" (instance 3),
// destroyed 1.250 s ago". False, and nothing is added: it belonged to nothing that is remembered. Never touches the
// address itself. [signal-safe]
bool describe(const void* address, Text& text, const char* prefix) noexcept;

// Whether an address lies in a span that the quarantine keeps: nobody else can have been given it. Takes the lock.
// [any thread]
bool keeps(const void* address) noexcept;

// Calls `visit` for each span that the quarantine keeps, of the newest `most`, the oldest first; under the lock.
struct KeptSpan {
  std::uint64_t id;
  const char* name;
  std::size_t bytes;
};
void for_each_kept(void (*visit)(const KeptSpan& span, void* context) noexcept, void* context,
                   std::uint64_t most = kCapacity) noexcept;

// Whether a place belongs to these records: an address there is a memory, and nobody will follow it. [any thread]
bool is_record(std::uintptr_t place) noexcept;

// For the fork handlers; the second under the first: whether a span lies in the quarantine.
pal::Lock& lock() noexcept;
bool holds(const Reservation& span) noexcept;

}  // namespace berth::core::departed
