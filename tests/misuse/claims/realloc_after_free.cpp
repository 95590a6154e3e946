// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Resizes and measures a small block that was freed.
#include "claim.hpp"

using namespace claims;

namespace {

// In place: nothing is freed that would tell.
void resize_and_measure(berth_allocator* allocator, void* block, std::size_t size) {
  berth_realloc(allocator, block, size);
  berth_usable_size(allocator, block);
}

}  // namespace

int main(int argc, char** argv) { return run_after_free<kSmallSizes, resize_and_measure>(argc, argv); }
