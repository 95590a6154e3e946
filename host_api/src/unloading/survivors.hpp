// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// What a plugin forgot, grouped by size.
#pragma once

#include <vector>

#include "berth/unload_report.hpp"

namespace berth::detail {

// The largest groups of live blocks, most bytes first. Of a quiet instance: no thread allocates or frees in it. Empty
// when memory runs out.
std::vector<berth_survivors> largest_survivors(berth_instance* instance) noexcept;

}  // namespace berth::detail
