// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// The bytes that a process publishes and another one reads: a header, a record for each line of the registry, and
// records of spans that the quarantine keeps. Who reads believes none of it: another process writes it.
//
// A record is written by one thread at a time and read by anyone at any time. Its count is odd while it is written:
//
//   writer: count odd (relaxed), words (release), count even (release)
//   reader: count (acquire), words (acquire), count again (relaxed); whole where both counts are equal and even
//
// A word's release store comes after the odd count: who reads a new word with acquire sees, in the second look, the odd
// count or a later one. The even count's release comes after all words: who reads it first with acquire sees words no
// older than it. So a copy between two equal even counts has no word of another write, on any machine.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

namespace berth::published {

inline constexpr char kMemfdName[] = "berth-stats";
inline constexpr std::uint64_t kMagic = 0x53544154'48545242;  // "BRTHTATS" as bytes: no text and no other format
inline constexpr std::uint32_t kVersion = 1;  // another one has another meaning; see Header::record_bytes

inline constexpr std::size_t kHeaderBytes = 4096;
inline constexpr std::size_t kRecordBytes = 512;
inline constexpr std::uint32_t kRecords = 1024;    // instances beyond are counted and not shown
inline constexpr std::uint32_t kKeptRecords = 64;  // the newest
inline constexpr std::size_t kBytes = kHeaderBytes + (kRecords + kKeptRecords) * kRecordBytes;

inline constexpr std::size_t kNameBytes = 64;
inline constexpr std::size_t kTextBytes = 96;
inline constexpr std::size_t kSizeRanges = 14;

struct Header {
  std::uint64_t magic;
  std::uint32_t version;
  std::uint32_t header_bytes;
  std::uint32_t record_bytes;  // of a later Berth perhaps more: what it adds lies behind what is known here
  std::uint32_t records;
  std::uint32_t kept_records;
  std::uint32_t pid;
  char berth[16];            // its version
  std::uint64_t started_ns;  // of the clock of all stamps, CLOCK_MONOTONIC
  // Written by who writes a record, relaxed, read by anyone: hints that stand for themselves.
  std::atomic<std::uint64_t> written_ns;
  std::atomic<std::uint64_t> not_shown;  // instances without a record
};
static_assert(sizeof(Header) == 72);

enum class State : std::uint8_t { Loaded, Zombie, Kept, Quarantined };

// What a record says. Bytes of no meaning are zero.
struct Contents {
  std::uint64_t id;  // 0: the record is empty
  std::uint64_t stamp_ns;
  std::uint8_t state;     // State
  std::uint8_t metering;  // 0 not, 1 partly, 2 whole
  std::uint8_t peak_is_live;
  std::uint8_t unused[5];
  char name[kNameBytes];
  char metering_text[kTextBytes];
  std::uint64_t live_bytes, live_blocks, peak_bytes, committed_bytes, peak_committed_bytes, quota_bytes, span_bytes;
  std::uint64_t allocations, deallocations, failed_allocations;
  std::uint32_t sizes[kSizeRanges];  // live blocks up to 8 bytes, up to 16, ... up to 32 KiB, of whole pages
  std::uint64_t later[23];
};

struct Record {
  std::atomic<std::uint64_t> count;
  std::array<std::atomic<std::uint64_t>, 63> words;

  // For one thread at a time.
  void write(const Contents& contents) noexcept {
    const std::uint64_t before = count.load(std::memory_order_relaxed);
    count.store(before + 1, std::memory_order_relaxed);
    std::uint64_t bits[63];
    std::memcpy(bits, &contents, sizeof(bits));
    for (std::size_t word = 0; word < words.size(); ++word) words[word].store(bits[word], std::memory_order_release);
    count.store(before + 2, std::memory_order_release);
  }

  // False: it was being written, or has been meanwhile.
  bool read(Contents& out) const noexcept {
    const std::uint64_t before = count.load(std::memory_order_acquire);
    if (before % 2 != 0) return false;
    std::uint64_t bits[63];
    for (std::size_t word = 0; word < words.size(); ++word) bits[word] = words[word].load(std::memory_order_acquire);
    if (count.load(std::memory_order_relaxed) != before) return false;
    std::memcpy(&out, bits, sizeof(bits));
    return true;
  }
};
static_assert(sizeof(Record) == kRecordBytes && sizeof(Contents) == sizeof(Record::words));
static_assert(std::is_trivially_copyable_v<Contents> && std::atomic<std::uint64_t>::is_always_lock_free);

}  // namespace berth::published
