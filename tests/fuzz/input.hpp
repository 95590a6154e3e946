// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// One input of the fuzzer, run as a round of the property test.
#pragma once

#include <cstddef>
#include <span>

#include "property/round.hpp"

namespace fuzz {

struct Outcome {
  std::size_t operations = 0;
  property::Round::Misuses misuses{};
};

// A difference from the model is told on stderr and aborts, as a fuzzer expects it.
Outcome run_input(std::span<const unsigned char> bytes);

}  // namespace fuzz
