// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// What the tests of samples share: the stacks of an instance as a list, and call sites that can be told apart.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "berth/instance.h"
#include "instance/fixtures.hpp"

namespace stacks {

struct Stack {
  std::vector<const void*> frames;
  std::vector<std::string> names;
  std::size_t blocks = 0, bytes = 0, total_blocks = 0, total_bytes = 0, peak_blocks = 0, peak_bytes = 0;
};

inline std::vector<Stack> of(berth_instance* instance) {
  std::vector<Stack> list;
  berth_instance_stacks(
      instance,
      [](void* context, const berth_stack* seen) {
        Stack stack{{},
                    {},
                    seen->blocks,
                    seen->bytes,
                    seen->total_blocks,
                    seen->total_bytes,
                    seen->peak_blocks,
                    seen->peak_bytes};
        for (std::uint32_t i = 0; i < seen->depth; ++i) stack.frames.push_back(seen->frames[i]);
        for (std::uint32_t i = 0; i < (seen->depth != 0 ? seen->depth : 1); ++i)
          stack.names.emplace_back(seen->names[i]);
        static_cast<std::vector<Stack>*>(context)->push_back(std::move(stack));
        return true;
      },
      &list);
  return list;
}

inline Stack sum_of(const std::vector<Stack>& list) {
  Stack sum;
  for (const Stack& stack : list) {
    sum.blocks += stack.blocks;
    sum.bytes += stack.bytes;
    sum.total_blocks += stack.total_blocks;
    sum.total_bytes += stack.total_bytes;
    sum.peak_blocks += stack.peak_blocks;
    sum.peak_bytes += stack.peak_bytes;
  }
  return sum;
}

inline Stack sum_of(berth_instance* instance) { return sum_of(of(instance)); }

// A function that is somewhere among the innermost frames of a stack: the one that begins last before the frame.
class Sites {
 public:
  template <typename Function>
  void add(Function* function) {
    begins_.push_back(reinterpret_cast<std::uintptr_t>(function));
  }

  // The number of the site, in the order of add(); -1: none of them.
  int of(const Stack& stack) const {
    constexpr std::size_t kInnermost = 4;
    constexpr std::uintptr_t kMostOfFunction = 2048;
    for (std::size_t i = 0; i < stack.frames.size() && i < kInnermost; ++i) {
      const auto frame = reinterpret_cast<std::uintptr_t>(stack.frames[i]);
      int found = -1;
      for (std::size_t site = 0; site < begins_.size(); ++site) {
        if (frame <= begins_[site] || frame - begins_[site] > kMostOfFunction) continue;
        if (found < 0 || begins_[site] > begins_[static_cast<std::size_t>(found)]) found = static_cast<int>(site);
      }
      if (found >= 0) return found;
    }
    return -1;
  }

 private:
  std::vector<std::uintptr_t> begins_;
};

}  // namespace stacks
