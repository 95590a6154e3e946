// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
#include "progress.hpp"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <string>

#include "format.hpp"

namespace sample_host {

Progress::Progress(std::size_t total, const char* unit)
    : total_(total), unit_(unit), start_(std::chrono::steady_clock::now()), on_terminal_(isatty(STDERR_FILENO) != 0) {}

Progress::~Progress() {
  if (drawn_) std::fputs("\r\033[K", stderr);
}

void Progress::show(std::size_t done) {
  constexpr double kQuiet = 1;
  constexpr std::size_t kWidth = 30;
  if (!on_terminal_ || total_ == 0) return;
  const std::chrono::duration<double> passed = std::chrono::steady_clock::now() - start_;
  if (passed.count() < kQuiet) return;
  const double share = static_cast<double>(std::min(done, total_)) / static_cast<double>(total_);
  const auto filled = static_cast<std::size_t>(share * static_cast<double>(kWidth));
  std::string line = "\r[" + std::string(filled, '#') + std::string(kWidth - filled, '.') + "] ";
  line +=
      std::to_string(static_cast<int>(share * 100)) + " %, " + grouped(done) + " of " + grouped(total_) + ' ' + unit_;
  if (share > 0) line += ", " + seconds_text(passed.count() * (1 - share) / share) + " left";
  std::fputs((line + "\033[K").c_str(), stderr);
  std::fflush(stderr);
  drawn_ = true;
}

}  // namespace sample_host
