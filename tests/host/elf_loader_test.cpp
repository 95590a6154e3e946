// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// What glibc's loader alone has: symbols that are shared over the process, and namespaces of modules.
#include <dlfcn.h>

#include "host_fixtures.hpp"
#include "support/catch.hpp"

using namespace berth::tests;
using Outcome = berth::UnloadReport::Outcome;

TEST_CASE("symbols are the plugin's own unless asked otherwise") {
  berth::Host host;
  const berth_process_statistics before = ledger();
  berth::Error error;
  berth::Plugin local = host.load(fixture("minimal"));
  CHECK_FALSE(host.load(fixture("bound"), {}, error));
  CHECK(error.status() == BERTH_ERR_LOAD);
  CHECK(contains(error.text(), "minimal_add"));
  host.unload(std::move(local));

  berth::LoadOptions options;
  options.global_symbols = true;
  berth::Plugin global = host.load(fixture("minimal"), options);
  berth::Plugin bound = host.load(fixture("bound"));
  CHECK(bound.import <int(int, int)>("bound_add")(2, 3) == 5);
  const berth::UnloadReport report = host.unload(std::move(global));
  CHECK(report.outcome == Outcome::Zombie);
  CHECK(report.why == berth::Cause::NeededBy);
  CHECK(contains(report.cause, "bound to its symbols: bound.so (plugin \"bound\")"));
  CHECK(host.unload(std::move(bound)).outcome == Outcome::Destroyed);
  CHECK(host.reap().size() == 1);
  CHECK(same(ledger(), before));
}

// Nobody can see it leaving. A sanitizer's runtime bears no second namespace.
TEST_CASE("a module in a namespace of its own cannot be adopted") {
  if (kSanitized) return;
  berth::Host host;
  berth::Error error;
  void* apart = ::dlmopen(LM_ID_NEWLM, fixture("plain").c_str(), RTLD_NOW);
  REQUIRE(apart != nullptr);
  CHECK_FALSE(host.adopt(apart, {}, nullptr, error));
  CHECK(error.status() == BERTH_ERR_INVALID_ARGUMENT);
  ::dlclose(apart);
}
