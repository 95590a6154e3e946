// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Pointers into a plugin that the C++ library keeps for the whole process, and follows whoever calls it: handlers,
// the default memory resource, the global locale, what a standard stream uses.
#pragma once

#include "host_api/src/inside/inside.hpp"

namespace berth::detail {

// The first that is found. Of the C++ library that the host is linked with. [any thread]
Obstacle find_library_pointer(const Ground& ground);

}  // namespace berth::detail
