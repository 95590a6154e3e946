// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Gives errno back as it was at the end of a scope: an allocator's housekeeping is nobody's error. On Windows the
// system's functions set the thread's last error instead, which goes back as well. It is written only where it has
// changed: after a fork that would be a page fault.
#pragma once

#include <cerrno>

namespace berth::pal {

#if defined(_WIN32)
unsigned long last_error() noexcept;
void set_last_error(unsigned long error) noexcept;
#endif

class ErrnoKeeper {
 public:
#if defined(_WIN32)
  ErrnoKeeper() noexcept : saved_(errno), last_error_(last_error()) {}
  ~ErrnoKeeper() {
    restore();
    set_last_error(last_error_);
  }
#else
  ErrnoKeeper() noexcept : saved_(errno) {}
  ~ErrnoKeeper() { restore(); }
#endif
  ErrnoKeeper(const ErrnoKeeper&) = delete;
  ErrnoKeeper& operator=(const ErrnoKeeper&) = delete;

 private:
  void restore() const noexcept {
    if (errno != saved_) errno = saved_;
  }

  int saved_;
#if defined(_WIN32)
  unsigned long last_error_;
#endif
};

}  // namespace berth::pal
