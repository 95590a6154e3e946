// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Which instances does anybody outside of them reach? Several at once, as one graph: marking starts from all that is
// none of theirs, and goes on through what it reaches; instances that only point at each other are not reached.
//
// First nobody is stopped, and stacks of others are left out: what is reached then is reached. To be sure of the rest,
// all threads stand still. A thread that is inside the allocator for one of the instances reaches it.
#pragma once

#include <cstddef>
#include <cstdint>

#include "allocator/instance.hpp"
#include "host_api/src/references/search.hpp"

namespace berth::references {

struct Verdict {
  static constexpr std::size_t kMostHolders = 4;

  core::Instance* instance = nullptr;  // asked for; it lives, and nobody allocates in it but by resizing
  // A record of the caller's own that threads use after the allocator: who has its address is inside.
  std::uintptr_t record = 0, record_end = 0;

  bool reached = false;
  std::size_t blocks = 0;   // to how many somebody points who is none of those asked for
  std::size_t holders = 0;  // how many are known, each of another kind or place
  Found holder[kMostHolders];
};

// Done: who is not reached was confirmed. Else who is not reached may be reached all the same. [not under a lock that a
// thread could wait for in the allocator]
Outcome find_reached(Verdict* verdicts, std::size_t count, std::uintptr_t caller_frame,
                     std::uint64_t longest_pause_nanoseconds) noexcept;

}  // namespace berth::references
