// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Whether the instance of a plugin whose module has left is kept, because somebody may use blocks of it ("nothing is
// pulled from under anybody"): by the release policy of its load options.
#pragma once

#include "berth/host.hpp"
#include "host_api/src/plugin/plugin_state.hpp"

namespace berth::detail {

// True: it is kept, and the report says why and who points there. Instances that are kept already, by the same Host,
// count as nobody: those that only point at each other all go.
bool keep_instance(PluginState& plugin, UnloadReport& report) noexcept;

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
