// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
#include "host_api/src/views/notes.hpp"

#include <array>
#include <atomic>
#include <cstring>

namespace berth::views::notes {

namespace {

// Where a note lies follows from the instance's line in the registry: low numbers are used again first, so that few
// pages have memory. Whose it is, is the handle, which is never used again.
struct alignas(128) Note {
  // 0 while it is written: taken by exchange, so that two writers of one place do not mix. Readers look twice, with
  // acquire before and relaxed after the parts, which they read with acquire; parts are stored with release: who reads
  // a new part sees the id gone or another.
  std::atomic<std::uint64_t> id{0};
  std::atomic<std::uint64_t> metering{0};
  std::array<std::atomic<std::uint64_t>, kMeteringTextBytes / 8> text{};
};
constinit std::array<Note, kCapacity> table{};
constexpr std::uint64_t kBeingWritten = ~std::uint64_t{0};

}  // namespace

void set(core::InstanceHandle instance, Metering metering, const char* text) noexcept {
  Note& note = table[core::registry::line(instance) % kCapacity];
  // acquire: comes after what the writer before has stored.
  if (note.id.exchange(kBeingWritten, std::memory_order_acquire) == kBeingWritten) return;  // another's, right now
  note.metering.store(static_cast<std::uint64_t>(metering), std::memory_order_release);
  char whole[kMeteringTextBytes] = {};
  std::strncpy(whole, text, sizeof(whole) - 1);
  for (std::size_t part = 0; part < note.text.size(); ++part) {
    std::uint64_t bits = 0;
    std::memcpy(&bits, whole + part * 8, 8);
    note.text[part].store(bits, std::memory_order_release);
  }
  note.id.store(static_cast<std::uint64_t>(instance), std::memory_order_release);
}

void find(core::InstanceHandle instance, Metering& metering, char (&text)[kMeteringTextBytes]) noexcept {
  const auto id = static_cast<std::uint64_t>(instance);
  const Note& note = table[core::registry::line(instance) % kCapacity];
  if (note.id.load(std::memory_order_acquire) != id) return;
  const auto found = static_cast<Metering>(note.metering.load(std::memory_order_acquire));
  char whole[kMeteringTextBytes];
  for (std::size_t part = 0; part < note.text.size(); ++part) {
    const std::uint64_t bits = note.text[part].load(std::memory_order_acquire);
    std::memcpy(whole + part * 8, &bits, 8);
  }
  if (note.id.load(std::memory_order_relaxed) != id) return;
  metering = found;
  std::memcpy(text, whole, sizeof(whole));
}

}  // namespace berth::views::notes
