// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
#include "host_api/src/routing/store.hpp"

#include <cstring>

#include "arenas/pal/lock.hpp"
#include "arenas/pal/pal.hpp"

namespace berth::routing::store {

namespace {

constexpr std::size_t kChunkBytes = std::size_t{1} << 20;
constexpr std::size_t kAlignment = 64;

constinit pal::Lock guard{pal::LockRank::Faults};
constinit char* chunk = nullptr;  // what is left of it; both under the guard
constinit std::size_t left = 0;

}  // namespace

void* take(std::size_t bytes) noexcept {
  bytes = (bytes + kAlignment - 1) & ~(kAlignment - 1);
  const pal::LockGuard held(guard);
  if (bytes > left) {
    const std::size_t wanted = bytes > kChunkBytes ? (bytes + pal::kPageSize - 1) & ~(pal::kPageSize - 1) : kChunkBytes;
    void* fresh = pal::reserve(wanted, pal::Access::ReadWrite);
    if (fresh == nullptr) return nullptr;
    chunk = static_cast<char*>(fresh);
    left = wanted;
  }
  void* taken = chunk;
  chunk += bytes;
  left -= bytes;
  return taken;
}

const char* copy(const char* text, std::size_t length) noexcept {
  auto* copied = static_cast<char*>(take(length + 1));
  if (copied != nullptr) std::memcpy(copied, text, length);
  return copied;
}

pal::Lock& lock() noexcept { return guard; }

}  // namespace berth::routing::store
