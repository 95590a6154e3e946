// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// What the kernel says is resident in an instance's span. Page by page (/proc/self/pagemap), because kernels differ in
// what they add up: to some a page that was only read, and shows the zero page, is resident (Rss), to others not. Here
// it always is.
#pragma once

#include <algorithm>
#include <array>
#include <cinttypes>
#include <cstdint>
#include <cstdio>

#include "span_bounds.hpp"

namespace fixtures {

inline constexpr std::uintptr_t kBytesOfPage = 4096;

// Pages between two addresses that have memory, or show the zero page. `known` is false where the kernel does not tell.
inline std::size_t present_bytes(std::uintptr_t begin, std::uintptr_t end, bool& known) {
  constexpr std::uint64_t kPresent = std::uint64_t{1} << 63;
  std::array<std::uint64_t, 2048> entries;
  std::FILE* const file = std::fopen("/proc/self/pagemap", "rb");
  known = file != nullptr;
  if (!known) return 0;
  std::setvbuf(file, nullptr, _IONBF, 0);
  std::size_t present = 0;
  known = std::fseek(file, static_cast<long>(begin / kBytesOfPage * sizeof(entries[0])), SEEK_SET) == 0;
  for (std::uintptr_t left = (end - begin) / kBytesOfPage; known && left > 0;) {
    const std::size_t count =
        std::fread(entries.data(), sizeof(entries[0]), std::min<std::size_t>(entries.size(), left), file);
    for (std::size_t i = 0; i < count; ++i) present += (entries[i] & kPresent) != 0 ? kBytesOfPage : 0;
    known = count > 0;
    left -= count;
  }
  std::fclose(file);
  return present;
}

// The sums over the span's map entries of what is present, and of AnonHugePages. Where the kernel tells of no pages,
// the first is the sum of Rss: an entry that reaches beyond the span (the kernel merges neighbours of equal rights)
// cannot be told apart then, `shared` is set, and the number is an upper bound.
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
  bool known = false;
  while (std::fgets(line, sizeof(line), file) != nullptr) {
    std::uintptr_t begin = 0;
    std::uintptr_t end = 0;
    std::size_t kib = 0;
    char permissions[8];
    if (std::sscanf(line, "%" SCNxPTR "-%" SCNxPTR " %7s", &begin, &end, permissions) == 3) {
      inside = begin < span.end && end > span.begin;
      contained = begin >= span.begin && end <= span.end;
      known = false;
      // What was never accessible has no pages, and may be large.
      if (inside && permissions[0] == 'r') {
        resident.bytes += present_bytes(std::max(begin, span.begin), std::min(end, span.end), known);
      }
    } else if (inside && !known && std::sscanf(line, "Rss: %zu kB", &kib) == 1) {
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
