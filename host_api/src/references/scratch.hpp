// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Memory for the length of one search: pages of the library's own, in the ledger like all others.
#pragma once

#include <cstddef>

#include "arenas/span.hpp"

namespace berth::references {

// Zeroed, rounded up to pages. Empty if the system refuses.
inline core::Span scratch(std::size_t bytes) noexcept {
  const std::size_t whole = (bytes + pal::kPageSize - 1) / pal::kPageSize * pal::kPageSize;
  core::Span span(whole, pal::Access::None, 0);
  if (span && !span.open_window(span.base(), span.end())) span = core::Span();
  return span;
}

}  // namespace berth::references
