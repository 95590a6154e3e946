// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Runs a program to its end, or to the end of its time, and takes what it prints.
#pragma once

#include <string>
#include <vector>

namespace bench {

struct ProgramOutcome {
  std::string output;
  std::string failure;  // why it did not end well; empty: it did
};

ProgramOutcome run_program(const std::vector<std::string>& words, int timeout_seconds);

}  // namespace bench
