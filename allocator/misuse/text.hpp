// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Text: composes a line in a buffer of the caller's, without the C library, so that it may run in a signal handler.
// Names come from plugins: what would end the line, or speak to a terminal, is shown as a question mark.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace berth::core {

class Text {
 public:
  Text(char* buffer, std::size_t capacity) noexcept : buffer_(buffer), capacity_(capacity) { terminate(); }

  Text& operator<<(const char* text) noexcept { return append(text, std::strlen(text)); }

  Text& operator<<(std::uint64_t number) noexcept {
    char digits[20];
    std::size_t count = 0;
    do {
      digits[count++] = static_cast<char>('0' + number % 10);
      number /= 10;
    } while (number != 0);
    while (count > 0) append(&digits[--count], 1);
    return *this;
  }

  Text& operator<<(const void* address) noexcept {
    append("0x", 2);
    const auto bits = reinterpret_cast<std::uintptr_t>(address);
    bool started = false;
    for (int shift = 60; shift >= 0; shift -= 4) {
      const auto digit = (bits >> shift) & 15;
      if (digit == 0 && !started && shift != 0) continue;
      started = true;
      append(&"0123456789abcdef"[digit], 1);
    }
    return *this;
  }

  // The length that the whole text has, whether it fitted or not.
  std::size_t length() const noexcept { return length_; }
  const char* c_str() const noexcept { return buffer_; }

 private:
  Text& append(const char* text, std::size_t count) noexcept {
    for (std::size_t position = 0; position < count; ++position, ++length_) {
      if (length_ + 1 < capacity_) buffer_[length_] = is_control(text[position]) ? '?' : text[position];
    }
    terminate();
    return *this;
  }
  static bool is_control(char byte) noexcept { return static_cast<unsigned char>(byte) < ' ' || byte == 0x7f; }
  void terminate() noexcept {
    if (capacity_ > 0) buffer_[length_ < capacity_ ? length_ : capacity_ - 1] = '\0';
  }

  char* buffer_;
  std::size_t capacity_;
  std::size_t length_ = 0;
};

// A Text with its buffer: long enough for two names and some numbers.
class Line {
 public:
  template <typename T>
  Line& operator<<(T value) noexcept {
    text_ << value;
    return *this;
  }
  Text& text() noexcept { return text_; }
  const char* c_str() const noexcept { return text_.c_str(); }

 private:
  char buffer_[512];
  Text text_{buffer_, sizeof(buffer_)};
};

}  // namespace berth::core
