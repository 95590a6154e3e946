// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Memory with and without huge pages, for the cases that are measured both ways.
#pragma once

#include <sys/prctl.h>

#include <cstddef>

namespace bench {

// Whatever the system's mode and whoever asks for them: this process gets none. The mode is taken as it is otherwise.
class WithoutHugePages {
 public:
  explicit WithoutHugePages(bool without) : without_(without) {
    if (without_) prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
  }
  ~WithoutHugePages() {
    if (without_) prctl(PR_SET_THP_DISABLE, 0, 0, 0, 0);
  }
  WithoutHugePages(const WithoutHugePages&) = delete;
  WithoutHugePages& operator=(const WithoutHugePages&) = delete;

 private:
  bool without_;
};

// Writes to each page of block[from, to).
inline void write_pages(volatile char* block, std::size_t from, std::size_t to) {
  constexpr std::size_t kPage = 4096;
  for (std::size_t at = from; at < to; at += kPage) block[at] = 1;
  block[to - 1] = 1;
}

}  // namespace bench
