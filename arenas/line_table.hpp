// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Tables of fixed capacity in static memory, which may be read without a lock at any time. What is in use lies low and
// together, and pages in which nothing is used any more go back to the system.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "arenas/pal/pal.hpp"

namespace berth::core {

// How much of each page of a table is in use. A page without any goes back, but for one, the lowest: else a single line
// that comes and goes would cost a system call each time. All of it under the lock of the table's owner. Zeros at
// first, as a table is, so that neither takes room in the file.
template <std::size_t kPages>
class PageUse {
 public:
  void enter(std::size_t page) noexcept {
    ++used_[page];
    if (spare_ == page + 1) spare_ = 0;
  }

  // To be called when nothing in the page is read any more but by those who bear to find zeros.
  void leave(void* table, std::size_t page) noexcept {
    if (--used_[page] != 0) return;
    const std::size_t other = spare_ == 0 ? page : spare_ - 1;
    spare_ = std::min(page, other) + 1;
    // Refused: it stays, and is as good.
    if (other != page) pal::empty(static_cast<char*>(table) + std::max(page, other) * pal::kPageSize, pal::kPageSize);
  }

 private:
  std::array<std::uint16_t, kPages> used_{};
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
    end_ = std::max(end_, line + 1);
    pages_.enter(page_of(line));
    return line;
  }

  void put_back(std::uint32_t line) noexcept {
    used_[line / kWordBits] &= ~(std::uint64_t{1} << line % kWordBits);
    first_word_ = std::min(first_word_, line / kWordBits);
    pages_.leave(lines_.data(), page_of(line));
  }

  // One beyond the highest line that was ever taken.
  std::uint32_t end() const noexcept { return end_; }

  Line& operator[](std::uint32_t line) noexcept { return lines_[line]; }

 private:
  static constexpr std::uint32_t kWordBits = 64;
  static constexpr std::uint64_t kAllUsed = ~std::uint64_t{0};
  static_assert(pal::kPageSize % sizeof(Line) == 0 && kCapacity % kWordBits == 0);

  static constexpr std::size_t page_of(std::uint32_t line) noexcept { return line * sizeof(Line) / pal::kPageSize; }

  alignas(pal::kPageSize) std::array<Line, kCapacity> lines_{};
  std::array<std::uint64_t, kCapacity / kWordBits> used_{};  // a bit a line
  std::uint32_t first_word_ = 0;                             // in those before it no line is free
  std::uint32_t end_ = 0;
  PageUse<kCapacity * sizeof(Line) / pal::kPageSize> pages_;
};

}  // namespace berth::core
