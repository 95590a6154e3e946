// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Whether the instance of a plugin whose module has left is kept, because somebody may use blocks of it ("nothing is
// pulled from under anybody"): by the release policy of its load options.
#pragma once

#include <cstdint>
#include <span>

#include "berth/host.hpp"
#include "host_api/src/plugin/plugin_state.hpp"

namespace berth::detail {

// Whether that is to be asked: it has live blocks, which the report counts, and is not to go with them in any case.
bool may_be_kept(const PluginState& plugin, UnloadReport& report) noexcept;

struct Ending {
  PluginState* plugin;
  UnloadReport* report;
};

// Of instances that may be kept: each that is gets an obstacle, and its report says who points there. One search for
// all. None of them counts as somebody who points, nor does an instance of `neighbours` (or nullptr) that is kept
// already: those that only point at each other all go.
void keep_instances(std::span<const Ending> endings, ZombieList* neighbours, std::uintptr_t caller_frame) noexcept;

struct CallerFrame {
  std::uintptr_t caller_frame = 0;
};

// Where the stack begins that counts: at the frame of the public function that calls this. Below it are the loader's
// frames and ours, which hold nothing of the host's.
#define BERTH_NOTE_CALLER_FRAME(plugin)                                                         \
  do {                                                                                          \
    __builtin_unwind_init();                                                                    \
    (plugin).caller_frame = reinterpret_cast<std::uintptr_t>(::berth::detail::stack_pointer()); \
  } while (false)

[[gnu::always_inline]] inline void* stack_pointer() noexcept {
  void* pointer = nullptr;
#if defined(__x86_64__)
  asm volatile("mov %%rsp, %0" : "=r"(pointer));
#elif defined(__aarch64__)
  asm volatile("mov %0, sp" : "=r"(pointer));
#else
  pointer = __builtin_frame_address(0);
#endif
  return pointer;
}

}  // namespace berth::detail
