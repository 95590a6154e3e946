// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// What the tests of real-time budgets share: an instance with one, and work in it.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <random>
#include <thread>
#include <vector>

#include "fixtures.hpp"

namespace fixtures {

inline berth_instance_options realtime_options(std::size_t bytes, std::uint32_t threads,
                                               std::uint32_t hardening = BERTH_HARDENING_FAST) {
  berth_instance_options wanted = options("real-time");
  wanted.hardening = hardening;
  wanted.realtime_bytes = bytes;
  wanted.realtime_threads = threads;
  return wanted;
}

// Blocks of all sizes, allocated, resized and freed at random, each with a pattern that is looked at before it goes.
class Churn {
 public:
  Churn(berth_allocator* allocator, std::uint64_t seed, std::size_t most_bytes)
      : allocator_(allocator), random_(seed), most_bytes_(most_bytes) {}
  ~Churn() {
    for (const Block& block : blocks_) berth_free(allocator_, block.bytes);
  }
  Churn(const Churn&) = delete;
  Churn& operator=(const Churn&) = delete;

  // False: no memory, or a block is not what it was.
  bool step() {
    Block& block = blocks_[random_() % blocks_.size()];
    if (!intact(block)) return false;
    const std::size_t others = live_ - block.size;
    const std::size_t size = std::min(any_size(), most_bytes_ - others);
    if (block.bytes != nullptr && random_() % 4 == 0) {
      void* moved = berth_realloc(allocator_, block.bytes, size);
      if (moved == nullptr) return false;
      block.bytes = static_cast<unsigned char*>(moved);
      if (!block.has_pattern(std::min(block.size, size))) return false;
    } else {
      berth_free(allocator_, block.bytes);
      block.bytes = static_cast<unsigned char*>(random_() % 8 == 0 ? berth_aligned_alloc(allocator_, 256, size)
                                                                   : berth_malloc(allocator_, size));
      if (block.bytes == nullptr) return false;
    }
    block.size = size;
    live_ = others + size;
    std::memset(block.bytes, block.pattern(), size);
    return true;
  }

 private:
  struct Block {
    unsigned char* bytes = nullptr;
    std::size_t size = 0;
    unsigned char pattern() const { return static_cast<unsigned char>(reinterpret_cast<std::uintptr_t>(this) >> 4); }
    bool has_pattern(std::size_t length) const {
      return std::all_of(bytes, bytes + length, [this](unsigned char byte) { return byte == pattern(); });
    }
  };

  static bool intact(const Block& block) { return block.bytes == nullptr || block.has_pattern(block.size); }

  // Mostly small ones, up to 64 KiB.
  std::size_t any_size() {
    const std::size_t bound = std::size_t{16} << (random_() % 13);
    return 1 + random_() % bound;
  }

  berth_allocator* allocator_;
  std::mt19937_64 random_;
  std::size_t most_bytes_;
  std::size_t live_ = 0;
  std::array<Block, 200> blocks_{};
};

// Threads that allocate, free and purge until they are told to end.
class Disturbance {
 public:
  explicit Disturbance(berth_instance* instance) {
    for (std::uint64_t i = 0; i < 2; ++i) {
      threads_.emplace_back([this, instance, i] {
        Churn churn(berth_instance_allocator(instance), i, 8 * kMiB);
        while (!end_.load(std::memory_order_relaxed)) {
          for (int step = 0; step < 1000; ++step) churn.step();
          berth_instance_purge(instance);
        }
      });
    }
  }
  ~Disturbance() {
    end_.store(true, std::memory_order_relaxed);
    for (std::thread& thread : threads_) thread.join();
  }
  Disturbance(const Disturbance&) = delete;
  Disturbance& operator=(const Disturbance&) = delete;

 private:
  std::atomic<bool> end_{false};
  std::vector<std::thread> threads_;
};

}  // namespace fixtures
