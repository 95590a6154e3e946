// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
#include "tools/run/writer.hpp"

#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace berth::run {

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
  return length;
}

}  // namespace

void Writer::put(const char* bytes, std::size_t count) noexcept {
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

void Writer::flush() noexcept {
  const char* from = buffer_;
  while (used_ > 0) {
    const ssize_t written = write(descriptor_, from, used_);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) break;
    from += written;
    used_ -= static_cast<std::size_t>(written);
  }
  used_ = 0;
}

Writer& Writer::operator<<(const char* text) noexcept {
  put(text, std::strlen(text));
  return *this;
}

Writer& Writer::operator<<(std::uint64_t number) noexcept {
  char digits[20];
  std::size_t first = sizeof(digits);
  do {
    digits[--first] = static_cast<char>('0' + number % 10);
    number /= 10;
  } while (number != 0);
  put(digits + first, sizeof(digits) - first);
  return *this;
}

Writer& Writer::quoted(const char* text) noexcept {
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

Writer& Writer::left(const char* text, std::size_t width) noexcept {
  *this << text;
  for (std::size_t length = std::strlen(text); length < width; ++length) put(" ", 1);
  return *this;
}

Writer& Writer::right(const char* text, std::size_t width) noexcept {
  for (std::size_t length = std::strlen(text); length < width; ++length) put(" ", 1);
  return *this << text;
}

}  // namespace berth::run
