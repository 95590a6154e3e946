// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Writer: text to a descriptor, by the system's own calls: it runs where a process ends.
#pragma once

#include <unistd.h>

#include <cerrno>

#include "host_api/src/c_abi/text_writer.hpp"

namespace berth::run {

class Writer : public TextWriter {
 public:
  explicit Writer(int descriptor) noexcept : TextWriter(write_to, this), descriptor_(descriptor) {}
  ~Writer() { flush(); }

 private:
  static bool write_to(void* context, const char* bytes, std::size_t size) noexcept {
    const int descriptor = static_cast<const Writer*>(context)->descriptor_;
    while (size > 0) {
      const ssize_t written = write(descriptor, bytes, size);
      if (written < 0 && errno == EINTR) continue;
      if (written <= 0) return false;
      bytes += written;
      size -= static_cast<std::size_t>(written);
    }
    return true;
  }

  int descriptor_;
};

}  // namespace berth::run
