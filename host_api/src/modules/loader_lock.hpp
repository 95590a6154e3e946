// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// The lock that the system's loader holds while it maps, initialises, finishes, unmaps and lists modules.
// ThreadSanitizer does not see it, and takes a module that lands where another one was for a race between the two; in
// its builds this lock, recursive as the loader's own, is held around each such call. Nothing in other builds.
#pragma once

#include "allocator/threads/tsan.hpp"

#if defined(BERTH_TSAN)
#include <mutex>
#endif

namespace berth::detail {

#if defined(BERTH_TSAN)

class LoaderLock {
 public:
  LoaderLock() : lock_(mutex) {}

 private:
  static inline std::recursive_mutex mutex;
  std::lock_guard<std::recursive_mutex> lock_;
};

#else

class LoaderLock {
 public:
  LoaderLock() noexcept {}
};

#endif

}  // namespace berth::detail
