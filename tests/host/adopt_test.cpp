// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Modules that the host's own loader has opened.
#include "host_fixtures.hpp"
#include "support/catch.hpp"

using namespace berth::tests;
using Outcome = berth::UnloadReport::Outcome;

TEST_CASE("an adopted module is closed and its instance destroyed by unload") {
  berth::Host host;
  const berth_process_statistics before = ledger();
  void* handle = open_elsewhere(fixture("minimal"));
  REQUIRE(handle != nullptr);
  berth::Plugin plugin = host.adopt(handle);
  CHECK(plugin.name() == "minimal");
  CHECK(plugin.path() == fixture("minimal"));
  CHECK(berth_find_owner(plugin.symbol<void*(std::size_t)>("minimal_allocate")(10)) == plugin.instance());
  berth::Error error;
  CHECK_FALSE(host.adopt(handle, {}, nullptr, error));
  CHECK(error.status() == BERTH_ERR_BUSY);
  CHECK_FALSE(host.load(fixture("minimal"), {}, error));
  CHECK(error.status() == BERTH_ERR_BUSY);

  const berth::UnloadReport report = host.unload(std::move(plugin));
  CHECK(report.outcome == Outcome::Destroyed);
  CHECK(report.live_blocks == 1);
  CHECK_FALSE(is_mapped("minimal"));
  CHECK(same(ledger(), before));
}

TEST_CASE("an instance made before the module was opened is adopted with it") {
  berth::Host host;
  const berth_process_statistics before = ledger();
  berth_instance_options options{};
  options.struct_size = sizeof(options);
  options.name = "early";
  berth_instance* instance = nullptr;
  REQUIRE(berth_instance_create(&options, &instance) == BERTH_OK);
  berth_instance* previous = berth_set_current_instance(instance);
  void* handle = open_elsewhere(fixture("standard_library"));
  berth_set_current_instance(previous);
  REQUIRE(handle != nullptr);
  CHECK(statistics_of(instance).live_blocks > 0);  // its static constructors'

  berth::Plugin plugin = host.adopt(handle, {}, instance);
  CHECK(plugin.instance() == instance);
  const berth::UnloadReport report = host.unload(std::move(plugin));
  CHECK(report.outcome == Outcome::Destroyed);
  CHECK(report.live_blocks == 0);
  CHECK(same(ledger(), before));
}

TEST_CASE("what cannot be adopted stays the caller's") {
  berth::Host host;
  const berth_process_statistics before = ledger();
  berth::Error error;
  CHECK_FALSE(host.adopt(nullptr, {}, nullptr, error));
  CHECK(error.status() == BERTH_ERR_INVALID_ARGUMENT);
  void* program = handle_of_program();
  CHECK_FALSE(host.adopt(program, {}, nullptr, error));
  CHECK(error.status() == BERTH_ERR_INVALID_ARGUMENT);
  close_elsewhere(program);

  void* wrong = open_elsewhere(fixture("wrong_abi"));
  REQUIRE(wrong != nullptr);
  CHECK_FALSE(host.adopt(wrong, {}, nullptr, error));
  CHECK(error.status() == BERTH_ERR_ABI);
  CHECK(same(ledger(), before));
  CHECK(is_mapped("wrong_abi"));
  close_elsewhere(wrong);
  CHECK_FALSE(is_mapped("wrong_abi"));
}

TEST_CASE("an instance that a refused module has seen is kept until the caller closes the module") {
  berth::Host host;
  const berth_process_statistics before = ledger();
  void* handle = open_elsewhere(fixture("attach_fails"));
  REQUIRE(handle != nullptr);
  berth::Error error;
  CHECK_FALSE(host.adopt(handle, {}, nullptr, error));
  CHECK(error.status() == BERTH_ERR_PLUGIN);
  CHECK(host.zombies() == 1);
  CHECK(ledger().instances == before.instances + 1);
  close_elsewhere(handle);
  CHECK(host.reap().size() == 1);
  CHECK(same(ledger(), before));

  berth_instance* mine = nullptr;
  REQUIRE(berth_instance_create(nullptr, &mine) == BERTH_OK);
  handle = open_elsewhere(fixture("attach_fails"));
  CHECK_FALSE(host.adopt(handle, {}, mine, error));
  CHECK(error.status() == BERTH_ERR_PLUGIN);
  CHECK(host.zombies() == 0);
  close_elsewhere(handle);
  CHECK(berth_instance_destroy(mine, nullptr) == BERTH_OK);
  CHECK(same(ledger(), before));
}
