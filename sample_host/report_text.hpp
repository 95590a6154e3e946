// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
#pragma once

#include <iosfwd>

#include "report.hpp"

namespace sample_host {

// For people: what the plugins answered (if asked), the plugins, the process, the verdict.
void print_report(std::ostream& out, const RunReport& report, bool with_results);

}  // namespace sample_host
