// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// What the library reserves, as the system sees it.
#pragma once

#include <cstddef>

namespace berth::tests::faults {

// Address space of this process that belongs to no file, heap or stack.
std::size_t nameless_bytes();

}  // namespace berth::tests::faults
