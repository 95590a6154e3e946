// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// What the thread tests share: blocks that carry their own proof, and a pool into which any thread puts blocks and from
// which any thread takes them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <mutex>
#include <random>
#include <utility>
#include <vector>

#include "berth/instance.h"
#include "instance/fixtures.hpp"
#include "support/barrier.hpp"
#include "support/scaled.hpp"

namespace crew {

using berth::tests::Barrier;
using berth::tests::scaled;
using berth::tests::scaled_meetings;

// A block whose first bytes tell its size and tag; the rest repeats the tag's low byte.
struct Proof {
  std::uint64_t tag;
  std::uint64_t size;
};

inline void* make_proven(berth_allocator* handle, std::size_t size, std::uint64_t tag) {
  if (size < sizeof(Proof)) size = sizeof(Proof);
  void* block = berth_malloc(handle, size);
  if (block == nullptr) return nullptr;
  const Proof proof{tag, size};
  std::memcpy(block, &proof, sizeof(proof));
  std::memset(static_cast<char*>(block) + sizeof(proof), static_cast<int>(tag & 0xFF), size - sizeof(proof));
  return block;
}

// True if nobody else wrote into the block. Frees it.
inline bool check_and_free(berth_allocator* handle, void* block) {
  Proof proof;
  std::memcpy(&proof, block, sizeof(proof));
  const bool intact = fixtures::all_bytes_are(static_cast<char*>(block) + sizeof(proof), proof.size - sizeof(proof),
                                              static_cast<unsigned char>(proof.tag & 0xFF));
  berth_free(handle, block);
  return intact;
}

// Blocks of nobody in particular.
class Pool {
 public:
  void put(void* block) {
    std::lock_guard lock(mutex_);
    blocks_.push_back(block);
  }
  // NULL if there are fewer than `keep`.
  void* take(std::uint64_t random, std::size_t keep = 0) {
    std::lock_guard lock(mutex_);
    if (blocks_.size() <= keep) return nullptr;
    std::swap(blocks_[random % blocks_.size()], blocks_.back());
    void* block = blocks_.back();
    blocks_.pop_back();
    return block;
  }
  std::vector<void*> take_all() {
    std::lock_guard lock(mutex_);
    return std::exchange(blocks_, {});
  }

 private:
  std::mutex mutex_;
  std::vector<void*> blocks_;
};

inline std::size_t mixed_size(std::mt19937_64& random) {
  const std::uint64_t kind = random() % 100;
  if (kind < 80) return random() % 512;
  if (kind < 97) return random() % 8192;
  return random() % (256 * 1024);
}

}  // namespace crew
