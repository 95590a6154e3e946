// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Symbol names: what the function at a return address is called, while its module is mapped.
#pragma once

#include <cstddef>

namespace berth::profiling {

inline constexpr std::size_t kNameBytes = 240;

// "function+0x1f", "libfoo.so+0x1234" where no name is known, the bare address where no module is. Cut to fit.
// May take the loader's lock. [any thread]
void name_frame(const void* return_address, char (&out)[kNameBytes]) noexcept;

}  // namespace berth::profiling
