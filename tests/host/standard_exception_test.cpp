// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// An exception of the C++ library's own is no longer a plugin's once it is thrown: its class and its text are the
// library's. Not so on Windows (windows_test.cpp).
#include <stdexcept>
#include <utility>

#include "fixtures/throws_own.hpp"
#include "host_fixtures.hpp"
#include "support/catch.hpp"

using namespace berth::tests;
using Outcome = berth::UnloadReport::Outcome;

TEST_CASE("in the handler of an exception of the C++ library's a plugin is unloaded when the host says so") {
  const berth_process_statistics before = ledger();
  berth::Host host;
  berth::Plugin plugin = host.load(fixture("throws_own"));
  try {
    plugin.import <void(int)>("throw_own")(static_cast<int>(Thrown::Standard));
    FAIL("it threw nothing");
  } catch (const std::runtime_error& error) {
    CHECK(host.unload(std::move(plugin)).outcome == Outcome::Destroyed);
    CHECK_FALSE(is_mapped("throws_own"));
    CHECK(contains(error.what(), "the C++ library's"));
  }
  CHECK(same(ledger(), before));
}
