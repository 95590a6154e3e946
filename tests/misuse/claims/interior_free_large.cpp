// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Frees addresses in the middle of large blocks.
#include "claim.hpp"

using namespace claims;

int main(int argc, char** argv) {
  return run(argc, argv, free_inside<kLargeSizes, false>, free_inside<kLargeSizes, true>);
}
