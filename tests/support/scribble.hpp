// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// What a plugin does that writes where it must not.
#pragma once

#include <cstddef>

namespace berth::tests {

// Random bytes over what may be written to of a range; elsewhere the plugin would crash by itself.
void scribble(void* from, std::size_t bytes);

}  // namespace berth::tests
