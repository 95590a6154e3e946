// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Frees a small block twice.
#include "claim.hpp"

using namespace claims;

int main(int argc, char** argv) { return run_after_free<kSmallSizes, free_again>(argc, argv); }
