// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Runs the peers' programs in turn: one repetition of a case with every peer, then the next, so that what the machine
// does meanwhile falls on all of them alike.
#pragma once

#include <filesystem>
#include <string>

#include "results.hpp"

namespace bench {

struct RunOptions {
  std::filesystem::path folder;   // where the programs are
  std::string effort;             // full, quick or tiny
  std::string cases;              // letters; empty: all
  int repetitions = 0;            // 0: what each case says
  std::vector<std::string> only;  // names of columns; empty: all
};

Results run(const RunOptions& options);

}  // namespace bench
