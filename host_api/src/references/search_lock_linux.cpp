// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
#include <sys/syscall.h>
#include <unistd.h>

#include "arenas/pal/pal.hpp"
#include "host_api/src/references/held_threads.hpp"
#include "host_api/src/references/search_lock.hpp"

namespace berth::references {

namespace {

// The number of the process that searches; 0: none. Taken by whoever searches (acquire: sees what the last one has put
// back), given back by him (release).
constinit std::atomic<std::uint32_t> searching{0};

}  // namespace

SearchLock::SearchLock() noexcept {
  const auto process = static_cast<std::uint32_t>(::syscall(SYS_getpid));
  for (;;) {
    std::uint32_t holder = searching.load(std::memory_order_relaxed);
    if (holder == process) {
      pal::wait(&searching, holder);
      continue;
    }
    if (!searching.compare_exchange_weak(holder, process, std::memory_order_acquire, std::memory_order_relaxed))
      continue;
    if (holder != 0) HeldThreads::forget_the_parent();
    return;
  }
}

SearchLock::~SearchLock() {
  searching.store(0, std::memory_order_release);
  pal::wake_one(&searching);  // who takes it then wakes the next
}

}  // namespace berth::references
