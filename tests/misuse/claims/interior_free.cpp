// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Frees addresses in the middle of small blocks.
#include "claim.hpp"

using namespace claims;

int main(int argc, char** argv) {
  return run(argc, argv, free_inside<kSmallSizes, false>, free_inside<kSmallSizes, true>);
}
