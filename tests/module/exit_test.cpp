// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Process exit is not an unload: programs that return from main while threads are inside Berth end with
// success. BERTH_EXITS sets how often each does (1000 for the whole proof).
#include <cstdlib>
#include <string>
#include <vector>

#include "instance/fixtures.hpp"
#include "module_file.hpp"
#include "support/catch.hpp"
#include "support/scaled.hpp"

using namespace embedded;

namespace {

std::size_t exits() {
  const char* given = std::getenv("BERTH_EXITS");
  return given != nullptr           ? std::strtoul(given, nullptr, 10)
         : berth::tests::kSanitized ? 5
         : berth::tests::kEmulated  ? 3
                                    : 30;
}

void always_ends_well(const char* program, const char* argument) {
  for (std::size_t i = 0; i < exits(); ++i) {
    CAPTURE(program, argument, i);
    REQUIRE(run_program(program, argument));
  }
}

}  // namespace

TEST_CASE("a program that embeds Berth ends while threads allocate", "[module][exit]") {
  always_ends_well(BERTH_EXIT_PROGRAM, nullptr);
}

TEST_CASE("so does one with a module loaded that embeds its own", "[module][exit]") {
  for (const std::string& path : modules(BERTH_LINKED_MODULES)) always_ends_well(BERTH_EXIT_PROGRAM, path.c_str());
}

TEST_CASE("so does one that is linked with such a module", "[module][exit]") {
  always_ends_well(BERTH_EXIT_PROGRAM_LINKED, nullptr);
}
