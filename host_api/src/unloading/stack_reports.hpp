// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// What a plugin forgot, grouped by the calls that allocated it: where samples were taken.
#pragma once

#include <vector>

#include "berth/unload_report.hpp"

namespace berth::detail {

// Names the frames of what lives, while the plugin's modules are mapped.
void keep_stack_names(berth_instance* instance) noexcept;

// The stacks of what lives, most bytes first. Empty when memory runs out.
std::vector<StackReport> live_stacks(berth_instance* instance) noexcept;

}  // namespace berth::detail
