// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Progress on standard error for what takes longer than a second: a bar on a terminal; elsewhere, in a log, nothing or
// a line now and then.
#pragma once

#include <chrono>
#include <cstddef>
#include <string>

namespace sample_host {

class Progress {
 public:
  enum class InLogs { Nothing, SparseLines };

  Progress(std::size_t total, const char* unit, InLogs in_logs = InLogs::Nothing);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void show(std::size_t done);
  // Takes the bar away, before something else is printed.
  void clear();

 private:
  using Clock = std::chrono::steady_clock;

  std::string text(std::size_t done, std::chrono::duration<double> passed) const;

  std::size_t total_;
  const char* unit_;
  InLogs in_logs_;
  Clock::time_point start_;
  Clock::time_point next_line_;
  bool on_terminal_;
  bool drawn_ = false;
};

}  // namespace sample_host
