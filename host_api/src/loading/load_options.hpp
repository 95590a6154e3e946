// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Which load options cannot have an effect where they are set. They are refused by name: who sets a quota that nobody
// looks at would believe in it.
#pragma once

#include <string>

#include "berth/host.hpp"

namespace berth::detail {

// What is wrong with the options of a load, or of an adoption with an instance given or not; empty if nothing is.
std::string load_option_defect(const LoadOptions& options);
std::string adopt_option_defect(const LoadOptions& options, bool has_instance);

}  // namespace berth::detail
