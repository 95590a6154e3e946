// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// What the kernel says is resident in an instance's span.
#pragma once

#include <cinttypes>
#include <cstdint>
#include <cstdio>

#include "span_bounds.hpp"

namespace fixtures {

// The sums of Rss and AnonHugePages over the span's map entries. An entry that reaches beyond the span (the kernel
// merges neighbours of equal rights) cannot be told apart: then `shared` is set, and the number is an upper bound.
struct Resident {
  std::size_t bytes = 0;
  std::size_t huge_bytes = 0;  // of these, in huge pages
  bool shared = false;
};

inline Resident resident_in_span(const berth_allocator* handle) {
  const SpanBounds span = span_bounds(handle);
  Resident resident;
  std::FILE* file = std::fopen("/proc/self/smaps", "r");
  if (file == nullptr) return {0, 0, true};
  char line[512];
  bool inside = false;
  bool contained = false;
  while (std::fgets(line, sizeof(line), file) != nullptr) {
    std::uintptr_t begin = 0;
    std::uintptr_t end = 0;
    std::size_t kib = 0;
    char permissions[8];
    if (std::sscanf(line, "%" SCNxPTR "-%" SCNxPTR " %7s", &begin, &end, permissions) == 3) {
      inside = begin < span.end && end > span.begin;
      contained = begin >= span.begin && end <= span.end;
    } else if (inside && std::sscanf(line, "Rss: %zu kB", &kib) == 1) {
      resident.bytes += kib * 1024;
      resident.shared = resident.shared || (kib > 0 && !contained);
    } else if (inside && std::sscanf(line, "AnonHugePages: %zu kB", &kib) == 1) {
      resident.huge_bytes += kib * 1024;
    }
  }
  std::fclose(file);
  return resident;
}

}  // namespace fixtures
