// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Span: one reservation and the window of it that is accessible. The window is contiguous and only grows, at either
// end: so a span is three entries of the system's map table at most, of which neighbours share one. It works under
// RLIMIT_DATA, strict overcommit and mlockall(MCL_FUTURE), because nothing outside the window is charged or populated;
// and under the last not what the window runs ahead, either.
// One instance, one span: destroying the span is one release of everything.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

#include "arenas/ledger.hpp"
#include "arenas/pal/pal.hpp"

namespace berth::core {

// Owns its reservation. Addresses and sizes are multiples of the page size. Not thread-safe; the arena's lock guards
// it.
class Span {
 public:
  Span() noexcept = default;
  Span(std::size_t bytes, pal::Access access, std::uint64_t owner) noexcept
      : reservation_(ledger::reserve(bytes, access, owner)), access_(access) {}
  Span(Span&& other) noexcept
      : reservation_(std::exchange(other.reservation_, {})),
        access_(other.access_),
        sparse_core_(other.sparse_core_),
        low_(other.low_),
        high_(other.high_) {}
  Span& operator=(Span&& other) noexcept {
    if (this != &other) {
      release();
      reservation_ = std::exchange(other.reservation_, {});
      access_ = other.access_;
      sparse_core_ = other.sparse_core_;
      low_ = other.low_;
      high_ = other.high_;
    }
    return *this;
  }
  Span(const Span&) = delete;
  Span& operator=(const Span&) = delete;
  ~Span() { release(); }

  explicit operator bool() const noexcept { return static_cast<bool>(reservation_); }
  char* base() const noexcept { return reservation_.base; }
  char* end() const noexcept { return reservation_.base + reservation_.bytes; }
  std::size_t bytes() const noexcept { return reservation_.bytes; }
  char* window_low() const noexcept { return low_; }
  char* window_high() const noexcept { return high_; }

  // Where all of a span is accessible and huge pages are the system's default, the first touch would make 2 MiB
  // resident; where parts of them are, up to 1 MiB in any window.
  bool small_pages_asked() const noexcept {
    return pal::gives_parts_unasked() ||
           (access_ == pal::Access::ReadWrite && pal::huge_pages() == pal::HugePages::Always);
  }

  // Opens the window for the first time. False: the system refuses.
  bool open_window(char* low, char* high) noexcept {
    if (small_pages_asked()) pal::forbid_huge_pages(base(), bytes());
    if (!commit(low, high)) return false;
    low_ = low;
    high_ = high;
    return true;
  }

  // Where all of a span is accessible, leaves out of a core what lies outside the window; else the system writes as
  // many bytes as there are addresses. Costs entries of the map table: two instead of a share in one. Once, when the
  // window is open.
  void make_core_sparse() noexcept {
    if (access_ != pal::Access::ReadWrite || !pal::leave_out_of_core(base(), bytes())) return;
    sparse_core_ = pal::keep_in_core(low_, static_cast<std::size_t>(high_ - low_));
    if (!sparse_core_) pal::keep_in_core(base(), bytes());
  }

  // Moves one end outwards, at least to `address`, with `reserve` bytes more where the system grants them.
  bool extend_down(char* address, std::size_t reserve, char* limit) noexcept {
    if (address >= low_) return true;
    char* target = static_cast<std::size_t>(address - limit) > reserve ? address - reserve : limit;
    if (!make_accessible(target, low_)) {
      target = address;
      if (!make_accessible(target, low_)) return false;
    }
    low_ = target;
    return true;
  }
  bool extend_up(char* address, std::size_t reserve, char* limit) noexcept {
    if (address <= high_) return true;
    char* target = static_cast<std::size_t>(limit - address) > reserve ? address + reserve : limit;
    if (!make_accessible(high_, target)) {
      target = address;
      if (!make_accessible(high_, target)) return false;
    }
    high_ = target;
    return true;
  }

  // Makes pages outside the window accessible as well: ahead of their use, so that where memory is locked they get it
  // then. At birth that is a few pages, and not worth the question. False: the system refuses.
  bool make_accessible(char* low, char* high) noexcept {
    if (access_ == pal::Access::None) pal::lock_at_first_use(low, static_cast<std::size_t>(high - low));
    return commit(low, high);
  }

  // Makes pages of the window what they were when it was opened there. False: nothing was changed.
  bool renew(char* low, std::size_t bytes) noexcept {
    if (!pal::renew(low, bytes, access_)) return false;
    pal::lock_at_first_use(low, bytes);
    return true;
  }

  // The reservation, which the caller releases; the span is empty then.
  Reservation take() noexcept { return std::exchange(reservation_, {}); }

  ledger::Release release() noexcept {
    return reservation_ ? ledger::release(std::exchange(reservation_, {})) : ledger::Release::Done;
  }

 private:
  bool commit(char* low, char* high) noexcept {
    const auto bytes = static_cast<std::size_t>(high - low);
    if (sparse_core_) pal::keep_in_core(low, bytes);  // refused: a core lacks something
    return access_ == pal::Access::ReadWrite || pal::commit(low, bytes);
  }

  Reservation reservation_;
  pal::Access access_ = pal::Access::None;
  bool sparse_core_ = false;
  char* low_ = nullptr;
  char* high_ = nullptr;
};

}  // namespace berth::core
