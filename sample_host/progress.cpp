// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
#include "progress.hpp"

#include <algorithm>
#include <cstdio>
#include <string>

#include "format.hpp"
#include "system.hpp"

namespace sample_host {
namespace {

constexpr double kQuiet = 1;  // seconds
constexpr auto kBetweenLines = std::chrono::seconds(10);

}  // namespace

Progress::Progress(std::size_t total, const char* unit, InLogs in_logs)
    : total_(total),
      unit_(unit),
      in_logs_(in_logs),
      start_(Clock::now()),
      next_line_(start_ + kBetweenLines),
      on_terminal_(is_terminal_standard_error()) {}

Progress::~Progress() { clear(); }

void Progress::clear() {
  if (drawn_) std::fputs("\r\033[K", stderr);
  drawn_ = false;
}

// "12 %, 120 of 1,000 calls, 240 a second, 3.7 s left"
std::string Progress::text(std::size_t done, std::chrono::duration<double> passed) const {
  const double share = static_cast<double>(std::min(done, total_)) / static_cast<double>(total_);
  std::string line =
      std::to_string(static_cast<int>(share * 100)) + " %, " + grouped(done) + " of " + grouped(total_) + ' ' + unit_;
  if (share > 0) {
    line += ", " + grouped(static_cast<std::uint64_t>(static_cast<double>(done) / passed.count())) + " a second, " +
            seconds_text(passed.count() * (1 - share) / share) + " left";
  }
  return line;
}

void Progress::show(std::size_t done) {
  constexpr std::size_t kWidth = 30;
  if (total_ == 0) return;
  const Clock::time_point now = Clock::now();
  const std::chrono::duration<double> passed = now - start_;
  if (passed.count() < kQuiet) return;
  if (on_terminal_) {
    const std::size_t filled = std::min(done, total_) * kWidth / total_;
    const std::string line =
        "\r[" + std::string(filled, '#') + std::string(kWidth - filled, '.') + "] " + text(done, passed) + "\033[K";
    std::fputs(line.c_str(), stderr);
    std::fflush(stderr);
    drawn_ = true;
  } else if (in_logs_ == InLogs::SparseLines && now >= next_line_) {
    std::fputs((text(done, passed) + '\n').c_str(), stderr);
    next_line_ = now + kBetweenLines;
  }
}

}  // namespace sample_host
