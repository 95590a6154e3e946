// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Where an instance's span begins and ends, found by asking berth_find_owner_id alone.
#pragma once

#include <cstdint>

#include "berth/instance.h"

namespace fixtures {

struct SpanBounds {
  std::uintptr_t begin = 0;
  std::uintptr_t end = 0;
};

// The span is one range ("one instance, one span"), so a bisection between an address inside and one outside finds its
// end.
inline SpanBounds span_bounds(const berth_allocator* handle) {
  const std::uint64_t id = berth_find_owner_id(handle);
  const auto inside = [id](std::uintptr_t at) { return berth_find_owner_id(reinterpret_cast<const void*>(at)) == id; };
  const auto bisect = [&](std::uintptr_t in, std::uintptr_t out) {
    while (in + 1 != out && out + 1 != in) {
      const std::uintptr_t middle = in < out ? in + (out - in) / 2 : out + (in - out) / 2;
      (inside(middle) ? in : out) = middle;
    }
    return in;
  };
  const auto at = reinterpret_cast<std::uintptr_t>(handle);
  return {bisect(at, 0), bisect(at, std::uintptr_t{1} << 48) + 1};
}

}  // namespace fixtures
