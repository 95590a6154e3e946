// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Caller map: whose code an address is, for every allocation that names no instance: a radix table over pages of code,
// two loads. The loader's thread writes it before the code of a module can run, and clears it before the addresses can
// be another module's.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace berth::routing {

// What a page of code is. From kFirstModule on: the number of a module in the table.
using Code = std::uint16_t;
inline constexpr Code kUnknown = 0;
inline constexpr Code kNotRouted = 1;
inline constexpr Code kThrough = 2;  // a C++ run-time, which allocates for whoever called it
// The loader and the C library: they have left return addresses on every stack, and call no C++ run-time.
inline constexpr Code kSystem = 3;
inline constexpr Code kFirstModule = 4;

class CallerMap {
 public:
  constexpr CallerMap() noexcept = default;

  Code find(const void* address) const noexcept {
    const std::uintptr_t page = reinterpret_cast<std::uintptr_t>(address) >> kPageShift;
    if (page >> (kTopBits + kLeafBits) != 0) return kUnknown;
    // acquire: a new leaf is seen zeroed; its entries are relaxed, because who executes code of a module has learnt of
    // it from the thread that opened the module.
    const Leaf* leaf = top_[page >> kLeafBits].load(std::memory_order_acquire);
    return leaf != nullptr ? (*leaf)[page & (kLeafPages - 1)].load(std::memory_order_relaxed) : kUnknown;
  }

  // False: there is no memory for a leaf, and the rest of the range stays as it was. One writer at a time.
  bool set(std::uintptr_t begin, std::uintptr_t end, Code code) noexcept;

 private:
  static constexpr unsigned kPageShift = 12;
  static constexpr unsigned kLeafBits = 18;
  static constexpr unsigned kTopBits = 47 - kPageShift - kLeafBits;
  static constexpr std::size_t kLeafPages = std::size_t{1} << kLeafBits;
  using Leaf = std::array<std::atomic<Code>, kLeafPages>;

  std::array<std::atomic<Leaf*>, std::size_t{1} << kTopBits> top_{};
};

// Of this process.
extern constinit CallerMap callers;

}  // namespace berth::routing
