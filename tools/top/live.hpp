// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
#pragma once

#include <functional>
#include <vector>

#include "tools/top/published.hpp"

namespace berth::top {

// Whether there is a terminal that can show a screen.
bool has_terminal();

// Shows what `read` finds, once a second, until a key ends it. The status of the program.
int show_live(const std::function<std::vector<ProcessView>()>& read);

}  // namespace berth::top
