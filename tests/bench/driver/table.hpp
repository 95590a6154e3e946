// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// The results as a table: on the terminal, and as Markdown for the README.
#pragma once

#include <iosfwd>

#include "results.hpp"

namespace bench {

void print_machine(const Results& results, std::ostream& out);
void print_table(const Results& results, std::ostream& out);
void print_summary(const Results& results, std::ostream& out);

}  // namespace bench
