// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
#pragma once

#include <iosfwd>

#include "report.hpp"

namespace sample_host {

// For machines: one JSON object. Sizes are in bytes.
void print_json(std::ostream& out, const RunReport& report);

}  // namespace sample_host
