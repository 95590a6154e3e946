// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// This program once more, with other arguments, for what may end a process or never end. Windows has no fork; and what
// is begun anew has no locks in it that others held.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace berth::tests {

enum class End : std::uint8_t { Exit, Abort, Fault, Other };

// How a child ended.
struct ChildEnding {
  End end = End::Other;
  int status = 0;    // of an exit
  std::string text;  // what it wrote to standard error
};

// The arguments have no quotation marks in them. What the child writes to standard output nobody reads. Throws
// std::runtime_error where the system starts no program.
ChildEnding run_again(const std::vector<std::string>& arguments);

// For the child: from now on a fault or an abort ends it without a core file, a dialog or a word of a test framework,
// and so does more processor time than that. With `at_fault`, a fault is an exit with the status that it returns.
void expect_the_end(unsigned seconds, int (*at_fault)() = nullptr);

}  // namespace berth::tests
