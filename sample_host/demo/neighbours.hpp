// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// A plugin that frees its neighbour's block, and a host that goes on: index's answer is passed to frees_input, which
// takes it for its own.
#pragma once

#include <string>
#include <vector>

namespace sample_host {

struct Neighbours {
  std::vector<std::string> named;   // what Berth said of each offence
  std::vector<std::string> faults;  // empty: the offence was dropped, both plugins worked on and are gone

  bool good() const { return named.size() == 1 && faults.empty(); }
};

Neighbours run_neighbours();

}  // namespace sample_host
