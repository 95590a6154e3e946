// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// What Linux on AArch64 writes into a signal's context behind the general registers: records of one kind each, with a
// magic number and a length in bytes in front (Linux, arch/arm64/include/uapi/asm/sigcontext.h). Plain functions of
// bytes, so that they can be tested on every machine.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "arenas/pal/faults.hpp"

namespace berth::pal::aarch64 {

inline constexpr std::uint32_t kFaultMagic = 0x45535201;  // 64 bits: the exception syndrome register (ESR_EL1)
inline constexpr std::uint32_t kExtraMagic = 0x45585401;  // 64 bits: where more records lie; 32 bits: their bytes

struct RecordHead {
  std::uint32_t magic;
  std::uint32_t bytes;  // with the head; a multiple of 16
};

// What stands behind the head of the first record of a kind, at least `bytes` of it; null: there is none.
inline const void* find_record(const void* records, std::size_t room, std::uint32_t magic, std::size_t bytes) noexcept {
  const auto* at = static_cast<const unsigned char*>(records);
  for (std::size_t left = room; left >= sizeof(RecordHead);) {
    RecordHead head;
    std::memcpy(&head, at, sizeof(head));
    if (head.magic == 0 || head.bytes < sizeof(head) || head.bytes > left) return nullptr;  // the end, or damage
    if (head.magic == magic) return head.bytes - sizeof(head) >= bytes ? at + sizeof(head) : nullptr;
    at += head.bytes;
    left -= head.bytes;
  }
  return nullptr;
}

// What kind of access the syndrome speaks of (Arm Architecture Reference Manual, D17.2.37): its class in bits 31 to 26.
constexpr FaultKind kind_of_fault(std::uint64_t syndrome) noexcept {
  constexpr unsigned kClassShift = 26;
  constexpr std::uint64_t kClassMask = 0x3f;
  constexpr std::uint64_t kWrites = std::uint64_t{1} << 6;       // WnR
  constexpr std::uint64_t kMaintenance = std::uint64_t{1} << 8;  // CM: of a cache, which counts as a write
  switch (syndrome >> kClassShift & kClassMask) {
    case 0x20:  // an instruction that could not be fetched, from here or from a lower level
    case 0x21:
    case 0x22: return FaultKind::Execution;  // an address that is none of an instruction
    case 0x24:                               // data that could not be reached
    case 0x25:
      if ((syndrome & kMaintenance) != 0) return FaultKind::Access;
      return (syndrome & kWrites) != 0 ? FaultKind::Write : FaultKind::Read;
    default: return FaultKind::Access;
  }
}

// The kind of a fault from a context's records. Without a syndrome (QEMU writes none) only what the addresses tell.
inline FaultKind kind_of_fault(const void* records, std::size_t room, const void* address, const void* code) noexcept {
  std::uint64_t syndrome = 0;
  if (const void* found = find_record(records, room, kFaultMagic, sizeof(syndrome))) {
    std::memcpy(&syndrome, found, sizeof(syndrome));
    return kind_of_fault(syndrome);
  }
  return address == code ? FaultKind::Execution : FaultKind::Access;
}

}  // namespace berth::pal::aarch64
