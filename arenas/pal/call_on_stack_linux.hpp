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

#elif defined(__aarch64__)

inline constexpr bool kCanCallOnStack = true;

// A callee keeps the lower halves of v8 to v15 only, and x18 is nobody's on Linux.
inline void call_on_stack(void* top, void (*function)(void*), void* argument) noexcept {
  register void* first asm("x0") = argument;
  asm volatile(
      "mov x19, sp\n\t"
      "mov sp, %[top]\n\t"
      "blr %[function]\n\t"
      "mov sp, x19"
      : "+r"(first)
      : [top] "r"(top), [function] "r"(function)
      : "x1", "x2", "x3", "x4", "x5", "x6", "x7", "x8", "x9", "x10", "x11", "x12", "x13", "x14", "x15", "x16", "x17",
        "x18", "x19", "x30", "v0", "v1", "v2", "v3", "v4", "v5", "v6", "v7", "v8", "v9", "v10", "v11", "v12", "v13",
        "v14", "v15", "v16", "v17", "v18", "v19", "v20", "v21", "v22", "v23", "v24", "v25", "v26", "v27", "v28", "v29",
        "v30", "v31", "memory", "cc");
}

#else

inline constexpr bool kCanCallOnStack = false;
inline void call_on_stack(void*, void (*function)(void*), void* argument) noexcept { function(argument); }

#endif

}  // namespace berth::pal
