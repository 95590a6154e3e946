// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// How the C library encodes the functions that it keeps: those for the process' end, and where longjmp goes to.
#pragma once

#include <bit>
#include <cstdint>

namespace berth::references {

struct PointerEncoding {
  std::uintptr_t key = 0;
  int rotation = 0;
  bool known = false;

  std::uintptr_t decode(std::uintptr_t word) const noexcept { return std::rotr(word, rotation) ^ key; }

  // glibc's PTR_MANGLE (sysdeps/unix/sysv/linux/x86_64/pointer_guard.h): the key lies in the thread's header, and is
  // the process'. Elsewhere it is not to be had: then what is encoded is not seen.
  static PointerEncoding of_c_library() noexcept {
    PointerEncoding encoding;
#if defined(__x86_64__) && defined(__GLIBC__)
    asm("mov %%fs:0x30, %0" : "=r"(encoding.key));
    encoding.rotation = 17;
    encoding.known = true;
#endif
    return encoding;
  }
};

}  // namespace berth::references
