// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// A progress bar on standard error, if that is a terminal, for what takes longer than a second.
#pragma once

#include <chrono>
#include <cstddef>

namespace sample_host {

class Progress {
 public:
  Progress(std::size_t total, const char* unit);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void show(std::size_t done);

 private:
  std::size_t total_;
  const char* unit_;
  std::chrono::steady_clock::time_point start_;
  bool on_terminal_;
  bool drawn_ = false;
};

}  // namespace sample_host
