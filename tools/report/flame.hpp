// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
#pragma once

#include <string>

#include "tools/report/report_file.hpp"

namespace berth::report {

// Flame graphs of a plugin's stacks, as HTML: the outermost function lies on top, each as wide as its bytes. One of
// what lives, one of the peak and one of what was forgotten, and of each load that is known; where there is none, a
// sentence that says why.
std::string flame_graphs(const Plugin& plugin, bool is_snapshot);

}  // namespace berth::report
