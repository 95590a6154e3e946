// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// A one-line file of the system.
#pragma once

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace berth::pal {

// Its beginning, for comparison; "" where there is none.
struct Setting {
  explicit Setting(const char* path) noexcept {
    // Not by open and its like, which are cancellation points.
    const auto file = static_cast<int>(syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC));
    if (file < 0) return;
    const long length = syscall(SYS_read, file, text, sizeof(text) - 1);
    syscall(SYS_close, file);
    if (length <= 0) text[0] = '\0';
  }
  char text[64] = {};
};

}  // namespace berth::pal
