// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Gives errno back as it was at the end of a scope: an allocator's housekeeping is nobody's error.
#pragma once

#include <cerrno>

namespace berth::pal {

class ErrnoKeeper {
 public:
  ErrnoKeeper() noexcept : saved_(errno) {}
  ~ErrnoKeeper() { errno = saved_; }
  ErrnoKeeper(const ErrnoKeeper&) = delete;
  ErrnoKeeper& operator=(const ErrnoKeeper&) = delete;

 private:
  int saved_;
};

}  // namespace berth::pal
