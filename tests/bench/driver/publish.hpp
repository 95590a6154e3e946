// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// The results as docs/benchmarks.md shows them: a table of the rows that matter most, and a chart.
#pragma once

#include <string>

#include "results.hpp"

namespace bench {

// Why the results should not be shown to anybody; empty: they may. Only whole runs on a quiet machine are.
std::string unfit_to_publish(const Results& results);

std::string markdown(const Results& results);

// The text with what is between its two marks replaced. Throws if they are missing.
std::string replace_between_marks(const std::string& text, const std::string& replacement);

// A picture of 840 pixels' width that follows the reader's light or dark mode.
std::string chart(const Results& results);

}  // namespace bench
