// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// What libFuzzer calls; it brings main.
#include <cstdint>

#include "input.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::run_input({data, size});
  return 0;
}
