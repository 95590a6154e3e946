// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Run-times: modules that serve the whole process, whoever has brought them.
#pragma once

#include "host_api/src/routing/caller_map.hpp"

namespace berth::routing {

// Why a file of this path is not routed: the C library opens it for itself, or it is a language's. Null: neither.
const char* serves_the_process(const char* path) noexcept;

// What the code of a file is that is not routed.
Code code_of_others(const char* path) noexcept;

}  // namespace berth::routing
