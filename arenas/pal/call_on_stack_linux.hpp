// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Calls a function on another stack: for a signal handler whose own has hardly more room than the system's part of it
// takes.
#pragma once

namespace berth::pal {

#if defined(__x86_64__)

inline constexpr bool kCanCallOnStack = true;

// `top`: the address behind the stack, a multiple of 16. The function must return, and nothing may unwind through it.
inline void call_on_stack(void* top, void (*function)(void*), void* argument) noexcept {
  asm volatile(
      "movq %%rsp, %%rbx\n\t"
      "movq %[top], %%rsp\n\t"
      "callq *%[function]\n\t"
      "movq %%rbx, %%rsp"
      : "+D"(argument)
      : [top] "r"(top), [function] "r"(function)
      : "rax", "rbx", "rcx", "rdx", "rsi", "r8", "r9", "r10", "r11", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5",
        "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15", "memory", "cc");
}

#else

inline constexpr bool kCanCallOnStack = false;
inline void call_on_stack(void*, void (*function)(void*), void* argument) noexcept { function(argument); }

#endif

}  // namespace berth::pal
