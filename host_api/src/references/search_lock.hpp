// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// One search at a time in a process. The lock has its holder's process in it: a child that was forked while another
// thread searched finds a holder that it does not have, and takes over.
#pragma once

#include <atomic>
#include <cstdint>

#include "arenas/pal/cancellation.hpp"

namespace berth::references {

class SearchLock {
 public:
  // Waits for whoever searches now.
  SearchLock() noexcept;
  ~SearchLock();
  SearchLock(const SearchLock&) = delete;
  SearchLock& operator=(const SearchLock&) = delete;

 private:
  pal::DeferredCancellation alive_;
};

}  // namespace berth::references
