// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Words that led into unmapped memory before a module was opened. The module may be given those addresses: a word that
// has not changed since is what somebody left of another module, or of memory that was given back, and no reference.
// Where a module is seen between its mapping and its first instruction, they are those that lead into it then.
#pragma once

#include <cstddef>
#include <cstdint>

#include "arenas/span.hpp"

namespace berth::references {

class DanglingWords {
 public:
  // Looks for them now. Without memory, or where the system does not tell, none is known. [no thread stands still]
  void note() noexcept;

  // Whether they have been looked for at all.
  bool are_known() const noexcept { return static_cast<bool>(memory_); }

  // Whether this word was there then, at this place, or is what a text has left of it.
  bool has(std::uintptr_t at, std::uintptr_t word) const noexcept;

  // The same of words that somebody else finds: room for them, each, and the last one was added. False: no memory.
  bool open() noexcept;
  void add(std::uintptr_t at, std::uintptr_t word) noexcept;
  void close() noexcept;

  void forget() noexcept {
    memory_ = core::Span();
    count_ = 0;
  }

 private:
  struct Entry {
    std::uintptr_t at;
    std::uintptr_t hidden;  // the word's complement: no search shall find it here
  };
  static constexpr std::size_t kMost = 65536;

  Entry* entries() const noexcept { return reinterpret_cast<Entry*>(memory_.base()); }

  core::Span memory_;
  std::size_t count_ = 0;
};

}  // namespace berth::references
