// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
#include "tools/run/standard_error.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include "allocator/misuse/log.hpp"
#include "arenas/pal/errno_keeper.hpp"
#include "tools/run/report.hpp"

namespace berth::run {

bool error_is_ours() noexcept {
  const pal::ErrnoKeeper keeper;
  struct stat now;
  return fstat(STDERR_FILENO, &now) == 0 && now.st_dev == settings.error_device && now.st_ino == settings.error_file;
}

void watch_log() noexcept {
  core::log::set_handler(
      [](void*, const char* line) {
        if (error_is_ours()) core::log::write_to_standard_error(line);
      },
      nullptr);
}

}  // namespace berth::run
