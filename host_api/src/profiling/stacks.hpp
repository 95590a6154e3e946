// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// The stacks of an instance with the names of their frames, for berth_instance_stacks, profiles and reports.
#pragma once

#include <array>

#include "allocator/instance.hpp"
#include "berth/instance.h"
#include "host_api/src/profiling/frame_places.hpp"
#include "host_api/src/profiling/symbol_names.hpp"

namespace berth::profiling {

// What a stack is called that has no frames.
const char* name_of(core::StackKind kind) noexcept;

// One stack, ready to be shown.
class NamedStack {
 public:
  // The next one of the instance after `cursor`, 0: the first. False: there are no more.
  enum class Which : std::uint8_t { All, Live, Held };  // Held: live, or so when most lived
  bool read(core::Instance& instance, std::uint32_t& cursor, Which which = Which::All,
            core::sampling::Patience patience = core::sampling::Patience::Waits) noexcept;

  // The same in two steps: the first one alone looks at the instance, which may be gone at the second; and the second
  // one alone may wait for the loader, whose lock a thread may hold that waits for the instance.
  bool take(core::Instance& instance, std::uint32_t& cursor) noexcept;
  void name() noexcept;

  const berth_stack& stack() const noexcept { return stack_; }
  std::uint32_t number() const noexcept { return copy_.number; }
  core::StackKind kind() const noexcept { return copy_.kind; }
  // Of each frame, until the next read().
  const core::FramePlace* places() const noexcept { return copy_.places; }

 private:
  core::StackCopy copy_{};
  berth_stack stack_{};
  std::array<const char*, core::kMostFrames> names_{};
  // Counted from the outermost frame, because neighbouring stacks share those: what was asked once is not asked again.
  std::array<const void*, core::kMostFrames> asked_{};
  char texts_[core::kMostFrames][kNameBytes];
  FramePlaces finder_;
};

// Keeps the names of all frames with their stacks, of those that live or lived at the peak: before modules close. What
// allocates afterwards is counted apart, whatever its addresses. [any thread]
void keep_names(core::Instance& instance) noexcept;

}  // namespace berth::profiling
