// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Modules that the host's own loader has opened.
#include <dlfcn.h>

#include "host_fixtures.hpp"
#include "support/catch.hpp"

using namespace berth::tests;
using Outcome = berth::UnloadReport::Outcome;

TEST_CASE("an adopted module is closed and its instance destroyed by unload") {
  berth::Host host;
  const berth_process_statistics before = ledger();
  void* handle = ::dlopen(fixture("minimal").c_str(), RTLD_NOW | RTLD_LOCAL);
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
  void* handle = ::dlopen(fixture("standard_library").c_str(), RTLD_NOW | RTLD_LOCAL);
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
  void* program = ::dlopen(nullptr, RTLD_NOW);
  CHECK_FALSE(host.adopt(program, {}, nullptr, error));
  CHECK(error.status() == BERTH_ERR_INVALID_ARGUMENT);
  ::dlclose(program);

  // A module in a namespace of its own is one that nobody can see leaving. A sanitizer's runtime bears no second one.
  if (!kSanitized) {
    void* apart = ::dlmopen(LM_ID_NEWLM, fixture("plain").c_str(), RTLD_NOW);
    REQUIRE(apart != nullptr);
    CHECK_FALSE(host.adopt(apart, {}, nullptr, error));
    CHECK(error.status() == BERTH_ERR_INVALID_ARGUMENT);
    ::dlclose(apart);
  }

  void* wrong = ::dlopen(fixture("wrong_abi").c_str(), RTLD_NOW);
  REQUIRE(wrong != nullptr);
  CHECK_FALSE(host.adopt(wrong, {}, nullptr, error));
  CHECK(error.status() == BERTH_ERR_ABI);
  CHECK(same(ledger(), before));
  CHECK(is_mapped("wrong_abi"));
  ::dlclose(wrong);
  CHECK_FALSE(is_mapped("wrong_abi"));
}

TEST_CASE("an instance that a refused module has seen is kept until the caller closes the module") {
  berth::Host host;
  const berth_process_statistics before = ledger();
  void* handle = ::dlopen(fixture("attach_fails").c_str(), RTLD_NOW);
  REQUIRE(handle != nullptr);
  berth::Error error;
  CHECK_FALSE(host.adopt(handle, {}, nullptr, error));
  CHECK(error.status() == BERTH_ERR_PLUGIN);
  CHECK(host.zombies() == 1);
  CHECK(ledger().instances == before.instances + 1);
  ::dlclose(handle);
  CHECK(host.reap().size() == 1);
  CHECK(same(ledger(), before));

  berth_instance* mine = nullptr;
  REQUIRE(berth_instance_create(nullptr, &mine) == BERTH_OK);
  handle = ::dlopen(fixture("attach_fails").c_str(), RTLD_NOW);
  CHECK_FALSE(host.adopt(handle, {}, mine, error));
  CHECK(error.status() == BERTH_ERR_PLUGIN);
  CHECK(host.zombies() == 0);
  ::dlclose(handle);
  CHECK(berth_instance_destroy(mine, nullptr) == BERTH_OK);
  CHECK(same(ledger(), before));
}
