// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Frees a large block twice.
#include "claim.hpp"

using namespace claims;

int main(int argc, char** argv) { return run_after_free<kLargeSizes, free_again>(argc, argv); }
