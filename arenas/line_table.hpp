// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Tables of fixed capacity in static memory, which may be read without a lock at any time. What is in use lies low and
// together, and pages in which nothing is used any more go back to the system. Who walks a table, or follows a number
// that may be wrong, looks at no page without anything in use: on kernels that count what was only read, a look would
// make it resident.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "arenas/pal/pal.hpp"

namespace berth::core {

// How much of each page of a table is in use. A page without any goes back, but for one, the lowest: else a single line
// that comes and goes would cost a system call each time. All of it under the lock of the table's owner, but in_use().
// Zeros at first, as a table is, so that neither takes room in the file.
template <std::size_t kPages>
class PageUse {
 public:
  void enter(std::size_t page) noexcept {
    add(page, 1);
    if (spare_ == page + 1) spare_ = 0;
  }

  // Whether anything in the page is in use. [any thread]
  bool in_use(std::size_t page) const noexcept { return used_[page].load(std::memory_order_relaxed) != 0; }

  // To be called when nothing in the page is read any more but by those who bear to find zeros.
  void leave(void* table, std::size_t page) noexcept {
    add(page, -1);
    if (in_use(page)) return;
    const std::size_t other = spare_ == 0 ? page : spare_ - 1;
    spare_ = std::min(page, other) + 1;
    // Refused: it stays, and is as good.
    if (other != page) pal::empty(static_cast<char*>(table) + std::max(page, other) * pal::kPageSize, pal::kPageSize);
  }

 private:
  void add(std::size_t page, int change) noexcept {
    const int used = used_[page].load(std::memory_order_relaxed);
    used_[page].store(static_cast<std::uint16_t>(used + change), std::memory_order_relaxed);
  }

  // Written under the lock, read by anyone. Relaxed: who has a right to find something in a page has learnt of it from
  // who entered it, and of this count with it; who finds it by chance reads what lies there with an order of its own.
  std::array<std::atomic<std::uint16_t>, kPages> used_{};
  std::size_t spare_ = 0;  // an unused page that has not gone back, + 1; 0: none
};

// Lines that are taken and put back by number, the lowest first, under the lock of the table's owner. A line that was
// put back holds what it held, or zeros.
template <typename Line, std::uint32_t kCapacity>
class LineTable {
 public:
  static constexpr std::uint32_t kFull = kCapacity;

  std::uint32_t take() noexcept {
    while (used_[first_word_] == kAllUsed) {
      if (first_word_ + 1 == used_.size()) return kFull;
      ++first_word_;
    }
    std::uint64_t& word = used_[first_word_];
    const auto line = first_word_ * kWordBits + static_cast<std::uint32_t>(std::countr_one(word));
    word |= word + 1;
    pages_.enter(page_of(line));
    return line;
  }

  void put_back(std::uint32_t line) noexcept {
    used_[line / kWordBits] &= ~(std::uint64_t{1} << line % kWordBits);
    first_word_ = std::min(first_word_, line / kWordBits);
    pages_.leave(lines_.data(), page_of(line));
  }

  // The first line from `line` on that is in use; kFull: none is.
  std::uint32_t next(std::uint32_t line) const noexcept {
    for (std::uint32_t word = line / kWordBits; word < used_.size(); ++word) {
      const std::uint64_t from = word == line / kWordBits ? kAllUsed << line % kWordBits : kAllUsed;
      const std::uint64_t left = used_[word] & from;
      if (left != 0) return word * kWordBits + static_cast<std::uint32_t>(std::countr_zero(left));
    }
    return kFull;
  }

  // Whether there may be anything in this line: a line nearby is in use. [any thread]
  bool may_hold(std::uint32_t line) const noexcept { return pages_.in_use(page_of(line)); }

  Line& operator[](std::uint32_t line) noexcept { return lines_[line]; }

 private:
  static constexpr std::uint32_t kWordBits = 64;
  static constexpr std::uint64_t kAllUsed = ~std::uint64_t{0};
  static_assert(pal::kPageSize % sizeof(Line) == 0 && kCapacity % kWordBits == 0);

  static constexpr std::size_t page_of(std::uint32_t line) noexcept { return line * sizeof(Line) / pal::kPageSize; }

  alignas(pal::kPageSize) std::array<Line, kCapacity> lines_{};
  std::array<std::uint64_t, kCapacity / kWordBits> used_{};  // a bit a line
  std::uint32_t first_word_ = 0;                             // in those before it no line is free
  PageUse<kCapacity * sizeof(Line) / pal::kPageSize> pages_;
};

}  // namespace berth::core
