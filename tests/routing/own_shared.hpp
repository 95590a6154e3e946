// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// A header that a host and its plugins share: whoever is found first has the function for both.
#pragma once

#include <cstddef>
#include <cstdlib>

template <typename Unit>
struct SharedMaker {
  __attribute__((visibility("default"), noinline)) static void* make(std::size_t units) {
    void* volatile made = std::malloc(units * sizeof(Unit));
    return made;
  }
};
using MakeFunction = void*(std::size_t);
