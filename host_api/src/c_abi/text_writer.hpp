// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Text writer: text, or other bytes, to whoever takes them (berth_writer), through a buffer on the stack, without
// malloc.
#pragma once

#include <cstddef>
#include <cstdint>

namespace berth {

class TextWriter {
 public:
  // False: it takes no more.
  using Sink = bool (*)(void* context, const char* bytes, std::size_t size);

  TextWriter(Sink sink, void* context) noexcept : sink_(sink), context_(context) {}
  ~TextWriter() { flush(); }
  TextWriter(const TextWriter&) = delete;
  TextWriter& operator=(const TextWriter&) = delete;

  void put(const char* bytes, std::size_t count) noexcept;
  TextWriter& operator<<(const char* text) noexcept;
  TextWriter& operator<<(std::uint64_t number) noexcept;
  // As a string of JSON, in quotes. Bytes that are no UTF-8 are shown as question marks.
  TextWriter& quoted(const char* text) noexcept;
  // In a column: text to the left, and others to the right.
  TextWriter& left(const char* text, std::size_t width) noexcept;
  TextWriter& right(const char* text, std::size_t width) noexcept;

  // False: something was not taken, now or before.
  bool flush() noexcept;

 private:
  Sink sink_;
  void* context_;
  bool taken_ = true;
  std::size_t used_ = 0;
  char buffer_[4096];
};

}  // namespace berth
