// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// What a module with berth::plugin_new has opened itself (dlopen) and not closed: glibc counts the references to a
// module and not whose they are. The module's own calls write here (plugin_new/parts_linux.cpp), its host reads it by
// way of the note.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace berth::detail {

// Written to without a lock: a forked child may open modules too.
class PartTable {
 public:
  static constexpr std::size_t kMost = 128;

  constexpr PartTable() noexcept = default;

  // One reference more or less. [any thread]
  void add(const void* handle) noexcept {
    const std::uint64_t key = key_of(handle);
    if (key >> kCountShift != 0) {  // no address of today's kernels
      uncounted_.fetch_add(1, std::memory_order_relaxed);
      return;
    }
    for (auto& place : places_) {
      std::uint64_t seen = place.load(std::memory_order_relaxed);
      while (seen != 0 && (seen & kKeyMask) == key && seen >> kCountShift != kMostCounted) {
        if (place.compare_exchange_weak(seen, seen + kOne, std::memory_order_relaxed)) return;
      }
    }
    // Two threads may each give the same module a place: the places are added up.
    for (auto& place : places_) {
      std::uint64_t seen = 0;
      if (place.compare_exchange_strong(seen, key + kOne, std::memory_order_relaxed)) return;
    }
    uncounted_.fetch_add(1, std::memory_order_relaxed);
  }

  // False: there was none.
  bool remove(const void* handle) noexcept {
    const std::uint64_t key = key_of(handle);
    for (auto& place : places_) {
      std::uint64_t seen = place.load(std::memory_order_relaxed);
      while (seen != 0 && (seen & kKeyMask) == key) {
        const std::uint64_t less = seen >> kCountShift == 1 ? 0 : seen - kOne;
        if (place.compare_exchange_weak(seen, less, std::memory_order_relaxed)) return true;
      }
    }
    return false;
  }

  bool has(const void* handle) const noexcept {
    for (const auto& place : places_) {
      const std::uint64_t seen = place.load(std::memory_order_relaxed);
      if (seen != 0 && (seen & kKeyMask) == key_of(handle)) return true;
    }
    return false;
  }

  bool is_empty() const noexcept {
    for (const auto& place : places_) {
      if (place.load(std::memory_order_relaxed) != 0) return false;
    }
    return true;
  }

  // References for which there was no place.
  std::uint64_t uncounted() const noexcept { return uncounted_.load(std::memory_order_relaxed); }

  void copy_from(const PartTable& other) noexcept {
    for (std::size_t number = 0; number < kMost; ++number) {
      places_[number].store(other.places_[number].load(std::memory_order_relaxed), std::memory_order_relaxed);
    }
    uncounted_.store(other.uncounted(), std::memory_order_relaxed);
  }

 private:
  static constexpr unsigned kCountShift = 48;
  static constexpr std::uint64_t kOne = std::uint64_t{1} << kCountShift;
  static constexpr std::uint64_t kKeyMask = kOne - 1;
  static constexpr std::uint64_t kMostCounted = 0xffff;

  static std::uint64_t key_of(const void* handle) noexcept { return reinterpret_cast<std::uintptr_t>(handle); }

  // A handle and how often it is open: bits 0-47 and 48-63; 0: free. Written by the threads that open and close, read
  // by the host. Relaxed: each word is whole in itself, and who wants to know a thread's last call has heard of it.
  std::atomic<std::uint64_t> places_[kMost]{};
  std::atomic<std::uint64_t> uncounted_{0};
};

// Read by hosts that were built at another time: another layout gets another type of note.
struct PartAccount {
  std::uint32_t struct_size = sizeof(PartAccount);
  std::uint32_t reserved = 0;
  // Where the module writes; nullptr: to `own`. Set by the host before it closes the module, so that it can read what
  // the module's destructors have closed (release; the module acquires the table that the host has filled).
  std::atomic<PartTable*> current{nullptr};
  PartTable own;

  PartTable& table() noexcept {
    PartTable* const table = current.load(std::memory_order_acquire);
    return table != nullptr ? *table : own;
  }
};

}  // namespace berth::detail
