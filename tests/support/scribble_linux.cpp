// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// scribble.hpp by a system call, which refuses without a fault.
#include <sys/random.h>

#include <algorithm>

#include "scribble.hpp"

namespace berth::tests {

void scribble(void* from, std::size_t bytes) {
  for (std::size_t done = 0; done < bytes; done += 64) {
    if (::getrandom(static_cast<char*>(from) + done, std::min<std::size_t>(64, bytes - done), 0) < 0) continue;
  }
}

}  // namespace berth::tests
