// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Writer: text to a descriptor, by the system's own calls, through a buffer on the stack: it runs where a process ends.
#pragma once

#include <cstddef>
#include <cstdint>

namespace berth::run {

class Writer {
 public:
  explicit Writer(int descriptor) noexcept : descriptor_(descriptor) {}
  ~Writer() { flush(); }
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;

  Writer& operator<<(const char* text) noexcept;
  Writer& operator<<(std::uint64_t number) noexcept;
  // As a string of JSON, in quotes. Bytes that are no UTF-8 are shown as question marks.
  Writer& quoted(const char* text) noexcept;
  // In a column: text to the left, and others to the right.
  Writer& left(const char* text, std::size_t width) noexcept;
  Writer& right(const char* text, std::size_t width) noexcept;

  void flush() noexcept;

 private:
  void put(const char* bytes, std::size_t count) noexcept;

  int descriptor_;
  std::size_t used_ = 0;
  char buffer_[4096];
};

}  // namespace berth::run
