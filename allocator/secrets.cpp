// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
#include "allocator/secrets.hpp"

#include <atomic>

#include "arenas/pal/pal.hpp"

namespace berth::core::secrets {

std::uint64_t of(std::uint64_t id, unsigned number) noexcept {
  // The seed is asked for once in a process. Two threads may both ask; either answer is as good. Relaxed.
  static constinit std::atomic<std::uint64_t> seed{0};
  std::uint64_t known = seed.load(std::memory_order_relaxed);
  if (known == 0) {
    known = pal::random_seed() | 1;
    seed.store(known, std::memory_order_relaxed);
  }
  const std::uint64_t secret = mix(known ^ mix(id * 64 + number));
  return secret != 0 ? secret : known;
}

}  // namespace berth::core::secrets
