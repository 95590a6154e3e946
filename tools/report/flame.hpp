// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
#pragma once

#include <string>

#include "tools/report/report_file.hpp"

namespace berth::report {

// A flame graph of a plugin's stacks, as HTML: the outermost function at the bottom of the call lies on top, each as
// wide as its bytes. Or a sentence that there are none.
std::string flame_graph(const Plugin& plugin);

}  // namespace berth::report
