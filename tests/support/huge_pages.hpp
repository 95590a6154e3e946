// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// What the tests of huge pages ask first. The kernel itself, not Berth: a library that takes "none" where there are
// some fails its tests, with /sys and without.
#pragma once

#include <sys/mman.h>
#include <sys/resource.h>

#include <cstddef>
#include <cstring>

#include "support/catch.hpp"

namespace berth::tests {

// Whether this system gives a huge page to one who asks, now.
inline bool huge_pages_given() {
  constexpr std::size_t kPage = 4096;
  constexpr std::size_t kHugePage = 512 * kPage;
  const auto page_faults = [] {
    rusage usage{};
    getrusage(RUSAGE_THREAD, &usage);
    return usage.ru_minflt;
  };
  void* const memory = mmap(nullptr, 2 * kHugePage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  REQUIRE(memory != MAP_FAILED);
  madvise(memory, 2 * kHugePage, MADV_HUGEPAGE);
  const long before = page_faults();
  std::memset(memory, 1, 2 * kHugePage);
  const bool any = page_faults() - before <= static_cast<long>(kHugePage / kPage) + 1;
  munmap(memory, 2 * kHugePage);
  if (!any) WARN("this system gives no huge pages");
  return any;
}

}  // namespace berth::tests
