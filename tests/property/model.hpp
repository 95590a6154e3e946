// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// What one instance should be, kept in plain standard containers: its live blocks with the bytes written into them, and
// the counters that its statistics must show. Slow and obvious on purpose.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "berth/instance.h"

namespace property {

// A difference between Berth and the model.
class Difference : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

template <typename... Parts>
[[noreturn]] void fail(Parts&&... parts) {
  std::string text;
  const auto append = [&text](const auto& part) {
    if constexpr (std::is_arithmetic_v<std::decay_t<decltype(part)>>) {
      text += std::to_string(part);
    } else {
      text += part;
    }
  };
  (append(parts), ...);
  throw Difference(text);
}

struct Block {
  unsigned char* address = nullptr;
  std::size_t alignment = 0;  // as asked for; 0: default
  std::size_t size = 0;       // as asked for
  std::size_t usable = 0;
  std::uint64_t pattern = 0;  // seed of what was written into it
  unsigned thread = 0;        // the actor that allocated it
};

// Fills and checks blocks: small ones wholly, larger ones at both ends and on every page.
void write_pattern(const Block& block);
// Checks only the first `size` bytes, for blocks that were resized.
void check_pattern(const Block& block, std::size_t size, const char* when);

// Which usable size each (alignment, size) gave: the class must be a function of the two, in every instance.
class ClassTable {
 public:
  void observe(std::size_t alignment, std::size_t size, std::size_t usable);

 private:
  std::map<std::pair<std::size_t, std::size_t>, std::size_t> usable_;
};

class Model {
 public:
  // Adds a block; fails if it overlaps another.
  void add(const Block& block);
  Block remove(std::size_t index);
  void swap(std::size_t index, std::size_t other);
  Block& at(std::size_t index) { return blocks_[index]; }
  std::size_t count() const { return blocks_.size(); }
  std::size_t live_bytes() const { return live_bytes_; }

  void note_free(const Block& block, unsigned by_thread);
  // A resize in place: whether it counts as one allocation and one deallocation is the allocator's business.
  void note_resized(const Block& block, unsigned by_thread);
  void note_failure() { ++failures_; }

  // After a thread has ended or detached, its blocks may have an heir, and it may come back as another's heir: which
  // frees are remote is not known any more.
  void ownership_moved() { owners_known_ = false; }

  void check_statistics(const berth_instance_statistics& now) const;
  void check_census(const std::vector<berth_block>& census) const;
  void check_report(const berth_instance_report& report) const;

 private:
  std::vector<Block> blocks_;
  std::map<std::uintptr_t, std::size_t> by_address_;  // to the index in blocks_
  std::size_t live_bytes_ = 0;
  std::uint64_t failures_ = 0;
  std::uint64_t frees_ = 0;
  std::uint64_t resized_ = 0;
  std::uint64_t by_others_ = 0;        // frees by another thread than the one that allocated
  std::uint64_t small_by_others_ = 0;  // of these, small blocks: their owner is their thread
  bool owners_known_ = true;
};

}  // namespace property
