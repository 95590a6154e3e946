// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// The results as a table: on the terminal.
#pragma once

#include <iosfwd>

#include "results.hpp"

namespace bench {

// Those of which there are results.
std::vector<std::string_view> present_columns(const Results& results);

// The case, what is measured and its unit.
std::string title_of(const Row& row);

void print_machine(const Results& results, std::ostream& out);
void print_table(const Results& results, std::ostream& out);
void print_summary(const Results& results, std::ostream& out);

}  // namespace bench
