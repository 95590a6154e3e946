// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Frame places: in which file, and where in it, the code of a return address lies. Asked while its module is mapped; a
// tool that reads debug information finds file and line by it, in another process and another day.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "allocator/sampling/sample_table.hpp"

namespace berth::profiling {

class FramePlaces {
 public:
  // Of a stack: the texts of modules stay until the next call. Without a module where none is known. May take the
  // loader's lock. [any thread]
  void find(const void* const* frames, std::uint32_t depth, core::FramePlace* places) noexcept;

  // Texts that lie elsewhere are copied: who has them may be gone afterwards.
  void copy(core::FramePlace* places, std::uint32_t depth) noexcept;

 private:
  // What was asked once is not asked again: a walk over stacks meets few modules. One whose text does not fit is
  // unknown, as is one more than there is room for in one stack.
  static constexpr std::size_t kModules = 8;
  static constexpr std::size_t kBytes = 640;
  struct Module {
    const void* base;  // null: it is only known by its text
    const void* map;   // of the loader
    std::uintptr_t bias;
    std::uint32_t used;  // by which call last
    char text[kBytes];
  };

  const Module* module_of(const void* code) noexcept;
  // One that this stack has not met; null: there is none.
  Module* free_entry() noexcept;

  std::uint32_t calls_ = 0;
  std::array<Module, kModules> modules_;
  std::size_t count_ = 0;
};

}  // namespace berth::profiling
