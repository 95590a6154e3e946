// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// A module that is watched from its mapping to its end, for the question what still leads there when it is gone. What
// was noted is in memory of its own, because the module is not there any more when it is needed.
#pragma once

#include <cstddef>
#include <span>

#include "host_api/src/references/closing_module_linux.hpp"
#include "host_api/src/references/dangling_words.hpp"
#include "host_api/src/references/search.hpp"

namespace berth::references {

class WatchedModule {
 public:
  // They are mapped, and nothing of them has run: what leads there is an old address, or the loader's. One sweep for
  // all; what it could not look at is not known. [no thread stands still]
  static void note_before(std::span<WatchedModule* const> modules, std::span<const ClosingModule> places) noexcept;

  // It is mapped still, and its destructors have run. False: the loader does not list it, or there is no memory.
  bool note_end(const ClosingModule& module) noexcept;

  // Who leads into them, now that they are not mapped any more. Not counted: what lies in `ours`, which is the library
  // that asks, whose books have the addresses of what it maps, and the lists that it hands over; and what leads to
  // memory that somebody else has mapped there since. [no thread stands still]
  static Outcome find_left(std::span<WatchedModule* const> modules, std::span<const AddressRange> ours,
                           Findings& out) noexcept;

  bool contains(std::uintptr_t address) const noexcept { return targets_.all().contains(address); }
  std::uintptr_t base() const noexcept { return base_; }

  void forget() noexcept;

 private:
  DanglingWords before_;
  ModuleTargets targets_;
  std::uintptr_t base_ = 0;
  core::Span storage_;
};

}  // namespace berth::references
