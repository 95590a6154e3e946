// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Table reader: the numbers and addresses of .eh_frame, as DWARF encodes them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace berth::unwinding {

// Forward through a table. What does not fit makes it fail for good; then it gives zeros.
class TableReader {
 public:
  TableReader(const std::uint8_t* at, const std::uint8_t* end) noexcept : at_(at), end_(end) {}

  bool failed() const noexcept { return failed_; }
  bool done() const noexcept { return failed_ || at_ >= end_; }
  const std::uint8_t* at() const noexcept { return at_; }

  template <typename T>
  T number() noexcept {
    T value{};
    if (static_cast<std::size_t>(end_ - at_) < sizeof(T)) {
      fail();
      return value;
    }
    std::memcpy(&value, at_, sizeof(T));
    at_ += sizeof(T);
    return value;
  }
  std::uint64_t uleb() noexcept {
    unsigned sign = 0;
    return leb(sign);
  }
  std::int64_t sleb() noexcept {
    unsigned bits = 0;
    std::uint64_t value = leb(bits);
    if (bits < 64 && bits != 0 && (value >> (bits - 1) & 1) != 0) value |= ~std::uint64_t{0} << bits;
    return static_cast<std::int64_t>(value);
  }
  // An address in one of the encodings of .eh_frame; `data`: what relative ones to the table refer to.
  std::uintptr_t address(std::uint8_t encoding, std::uintptr_t data) noexcept {
    const auto here = reinterpret_cast<std::uintptr_t>(at_);
    std::uintptr_t value = 0;
    switch (encoding & 0x0f) {
      case 0x00: value = number<std::uint64_t>(); break;
      case 0x01: value = uleb(); break;
      case 0x02: value = number<std::uint16_t>(); break;
      case 0x03: value = number<std::uint32_t>(); break;
      case 0x04: value = number<std::uint64_t>(); break;
      case 0x09: value = static_cast<std::uintptr_t>(sleb()); break;
      case 0x0a: value = static_cast<std::uintptr_t>(std::int64_t{number<std::int16_t>()}); break;
      case 0x0b: value = static_cast<std::uintptr_t>(std::int64_t{number<std::int32_t>()}); break;
      case 0x0c: value = number<std::uint64_t>(); break;
      default: fail();
    }
    switch (encoding & 0x70) {
      case 0x00: break;
      case 0x10: value += here; break;
      case 0x30: value += data; break;
      default: fail();
    }
    return value;
  }
  // Bytes that are looked at later, if at all.
  TableReader block() noexcept { return part(uleb()); }
  TableReader part(std::uint64_t bytes) noexcept {
    if (bytes > static_cast<std::size_t>(end_ - at_)) fail();
    const std::uint8_t* const begin = at_;
    if (!failed_) at_ += bytes;
    return {begin, at_};
  }
  void fail() noexcept {
    failed_ = true;
    at_ = end_;
  }

 private:
  std::uint64_t leb(unsigned& bits) noexcept {
    std::uint64_t value = 0;
    for (bits = 0;;) {
      const auto byte = number<std::uint8_t>();
      if (bits < 64) value |= std::uint64_t{byte & 0x7fu} << bits;
      bits += 7;
      if ((byte & 0x80) == 0 || failed_) return value;
    }
  }

  const std::uint8_t* at_;
  const std::uint8_t* end_;
  bool failed_ = false;
};

}  // namespace berth::unwinding
