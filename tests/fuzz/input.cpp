// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
#include "input.hpp"

#include <cstdio>
#include <cstdlib>

namespace fuzz {

Outcome run_input(std::span<const unsigned char> bytes) {
  property::ByteChoices choices(bytes);
  property::Round round(choices);
  try {
    round.run();
  } catch (const property::Difference& difference) {
    std::fprintf(stderr, "failed: %s\nthe last operations:\n", difference.what());
    for (const std::string& line : round.history()) std::fprintf(stderr, "  %s\n", line.c_str());
    std::abort();
  }
  return {round.operations(), round.misuses()};
}

}  // namespace fuzz
