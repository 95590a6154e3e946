// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// The file of --known-leaks: a line for each leak that is not to fail a test, PLUGIN [FUNCTION], both shell patterns.
// What follows # is a comment.
#pragma once

#include <string>
#include <vector>

namespace berth::tool {

struct KnownLeak {
  std::string plugin;    // of its path, its file's name or its name
  std::string function;  // empty: any
};

// False: `failure` says why.
bool read_known_leaks(const std::string& path, std::vector<KnownLeak>& out, std::string& failure);

}  // namespace berth::tool
