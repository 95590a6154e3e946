// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// The plugins of a soak: which there are, what they work on, and what is to be expected of each.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "inputs.hpp"
#include "soak/counts.hpp"

namespace sample_host {

enum class Conduct {
  Good,           // any number of threads may be inside, and it leaves when they are gone
  Misbehaves,     // one at a time, and on threads that end: what keeps it can be ended then
  RefusesToLoad,  // throws from berth_attach
  NeverLeaves     // stays mapped for ever, so that it is loaded once only
};

struct SoakPlugin {
  std::string name;
  std::filesystem::path path;
  Conduct conduct = Conduct::Good;
  bool private_copy = false;    // of a file that is another plugin of the set, too
  std::vector<Count> provokes;  // counts that it must bring about
  std::vector<Input> inputs;    // at least one
  std::optional<Input> argument;
};

// By name (a sample plugin's) or path; none: all there are, good and bad. Throws std::runtime_error for a name or file
// that there is not.
std::vector<SoakPlugin> plan_soak(const std::vector<std::string>& names);

}  // namespace sample_host
