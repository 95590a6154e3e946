// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// The process as the system sees it, so that tests need not believe the library's own books. Nothing here allocates:
// looking does not change what is seen.
#pragma once

#include <cstddef>
#include <ostream>

#include "support/scaled.hpp"

namespace berth::tests {

struct ProcessView {
  std::size_t address_space_bytes = 0;
  std::size_t resident_bytes = 0;
  std::size_t map_entries = 0;
  std::size_t descriptors = 0;  // Windows: handles
  std::size_t threads = 0;
  std::size_t thread_keys = 0;  // of pthread_key_create; Windows: indexes of TlsAlloc and FlsAlloc

  static ProcessView now();
};

inline std::ostream& operator<<(std::ostream& out, const ProcessView& view) {
  return out << "address space " << view.address_space_bytes << ", resident " << view.resident_bytes << ", map entries "
             << view.map_entries << ", descriptors " << view.descriptors << ", threads " << view.threads
             << ", thread keys " << view.thread_keys;
}

// Whether what lay between left no descriptor behind. Wine's server closes a handle of a thread that has ended when it
// comes to it, and makes some at their first use: one more says nothing there, but what cycles leave is there once more
// after the next run of them.
template <typename Run>
bool leaves_no_descriptor(const ProcessView& before, const ProcessView& after, Run run_again) {
  if (after.descriptors == before.descriptors || !kEmulated) return after.descriptors == before.descriptors;
  return run_again() && ProcessView::now().descriptors <= after.descriptors;
}

}  // namespace berth::tests

#include "support/process_view_linux.hpp"    // IWYU pragma: keep
#include "support/process_view_windows.hpp"  // IWYU pragma: keep
