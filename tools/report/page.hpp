// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// The report as one HTML page that needs nothing but itself, and as a table of text.
#pragma once

#include <string>
#include <vector>

#include "tools/report/report_file.hpp"

namespace berth::report {

std::string to_page(const std::vector<Report>& reports, bool compare);
std::string to_text(const std::vector<Report>& reports, bool compare);

// Text that stands for itself in HTML, in elements and attributes.
std::string escaped(const std::string& text);

// What changed of one plugin from the first report to the second.
struct Change {
  const Plugin* before;  // null: it was not there
  const Plugin* after;
};
std::vector<Change> changes(const Report& before, const Report& after);

}  // namespace berth::report
