// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
#include "instance_range.hpp"

namespace sample_host {
namespace {

bool owns(const berth_allocator* handle, std::uintptr_t address) {
  // The address is compared, never read through.
  return handle->owns(const_cast<berth_allocator*>(handle), reinterpret_cast<const void*>(address));
}

}  // namespace

// The range is contiguous, so that its two ends are found by bisection.
AddressRange range_of_instance(const berth_allocator* handle, std::size_t span_bytes) {
  const auto inside = reinterpret_cast<std::uintptr_t>(handle);
  AddressRange range{inside, inside + 1};
  std::uintptr_t outside = inside > span_bytes ? inside - span_bytes - 1 : 0;
  while (range.start - outside > 1) {
    const std::uintptr_t middle = outside + (range.start - outside) / 2;
    (owns(handle, middle) ? range.start : outside) = middle;
  }
  outside = inside + span_bytes + 1;
  while (outside - range.end > 0) {
    const std::uintptr_t middle = range.end + (outside - range.end) / 2;
    if (owns(handle, middle)) {
      range.end = middle + 1;
    } else {
      outside = middle;
    }
  }
  return range;
}

}  // namespace sample_host
