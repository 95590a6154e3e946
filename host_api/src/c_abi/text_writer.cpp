// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
#include "host_api/src/c_abi/text_writer.hpp"

#include <cstring>

namespace berth {

namespace {

// The length of the UTF-8 character that begins here; 0: none does.
std::size_t character(const unsigned char* text) noexcept {
  const unsigned char first = text[0];
  if (first < 0x80) return 1;
  const std::size_t length = first >= 0xf0 && first < 0xf5   ? 4
                             : first >= 0xe0 && first < 0xf0 ? 3
                             : first >= 0xc2 && first < 0xe0 ? 2
                                                             : 0;
  for (std::size_t place = 1; place < length; ++place) {
    if ((text[place] & 0xc0) != 0x80) return 0;
  }
  // Written longer than need be, halves of UTF-16's pairs, and what lies beyond Unicode.
  if ((first == 0xe0 && text[1] < 0xa0) || (first == 0xed && text[1] >= 0xa0)) return 0;
  if ((first == 0xf0 && text[1] < 0x90) || (first == 0xf4 && text[1] >= 0x90)) return 0;
  return length;
}

}  // namespace

void TextWriter::put(const char* bytes, std::size_t count) noexcept {
  while (count > 0) {
    const std::size_t room = sizeof(buffer_) - used_;
    const std::size_t part = count < room ? count : room;
    std::memcpy(buffer_ + used_, bytes, part);
    used_ += part;
    bytes += part;
    count -= part;
    if (used_ == sizeof(buffer_)) flush();
  }
}

bool TextWriter::flush() noexcept {
  if (used_ > 0 && taken_) taken_ = sink_(context_, buffer_, used_);
  used_ = 0;
  return taken_;
}

TextWriter& TextWriter::operator<<(const char* text) noexcept {
  put(text, std::strlen(text));
  return *this;
}

TextWriter& TextWriter::operator<<(std::uint64_t number) noexcept {
  char digits[20];
  std::size_t first = sizeof(digits);
  do {
    digits[--first] = static_cast<char>('0' + number % 10);
    number /= 10;
  } while (number != 0);
  put(digits + first, sizeof(digits) - first);
  return *this;
}

TextWriter& TextWriter::quoted(const char* text) noexcept {
  static constexpr char kHex[] = "0123456789abcdef";
  put("\"", 1);
  const auto* bytes = reinterpret_cast<const unsigned char*>(text);
  while (*bytes != 0) {
    const std::size_t length = character(bytes);
    if (*bytes == '"' || *bytes == '\\') {
      const char escaped[2] = {'\\', static_cast<char>(*bytes)};
      put(escaped, 2);
    } else if (*bytes < 0x20) {
      const char escaped[6] = {'\\', 'u', '0', '0', kHex[*bytes >> 4], kHex[*bytes & 15]};
      put(escaped, 6);
    } else if (length == 0) {
      put("?", 1);
    } else {
      put(reinterpret_cast<const char*>(bytes), length);
    }
    bytes += length == 0 ? 1 : length;
  }
  put("\"", 1);
  return *this;
}

TextWriter& TextWriter::left(const char* text, std::size_t width) noexcept {
  *this << text;
  for (std::size_t length = std::strlen(text); length < width; ++length) put(" ", 1);
  return *this;
}

TextWriter& TextWriter::right(const char* text, std::size_t width) noexcept {
  for (std::size_t length = std::strlen(text); length < width; ++length) put(" ", 1);
  return *this << text;
}

}  // namespace berth
