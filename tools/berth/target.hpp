// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Target: whether a program can be run with its plugins routed.
#pragma once

#include <string>

namespace berth::tool {

// The file that a command names, found as a shell finds it. Empty: there is none; errno says why.
std::string find_program(const std::string& command);

// Why plugins cannot be routed in it; empty: they can. Of a script its interpreter is asked.
std::string reason_against(const std::string& path);

}  // namespace berth::tool
