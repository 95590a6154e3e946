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

TEST_CASE("options that adopt cannot follow are refused by name, and module and instance stay the caller's") {
  struct {
    const char* name;
    void (*set)(berth::LoadOptions&);
    bool with_instance_only;
  } const options[] = {
      {"span_bytes", [](berth::LoadOptions& o) { o.span_bytes = std::size_t{1} << 30; }, true},
      {"quota_bytes", [](berth::LoadOptions& o) { o.quota_bytes = std::size_t{1} << 24; }, true},
      {"hardening", [](berth::LoadOptions& o) { o.hardening = BERTH_HARDENING_FAST; }, true},
      {"huge_pages", [](berth::LoadOptions& o) { o.huge_pages = BERTH_HUGE_PAGES_NEVER; }, true},
      {"flags", [](berth::LoadOptions& o) { o.flags = 1; }, true},
      {"on_misuse", [](berth::LoadOptions& o) { o.on_misuse = [](void*, const berth_misuse*) {}; }, true},
      {"on_misuse_context", [](berth::LoadOptions& o) { o.on_misuse_context = &o; }, true},
      {"on_pressure",
       [](berth::LoadOptions& o) { o.on_pressure = [](void*, berth_instance*, std::size_t) { return false; }; }, true},
      {"on_pressure_context", [](berth::LoadOptions& o) { o.on_pressure_context = &o; }, true},
      {"user_data", [](berth::LoadOptions& o) { o.user_data = &o; }, true},
      {"realtime_bytes", [](berth::LoadOptions& o) { o.realtime_bytes = 1 << 20; }, true},
      {"realtime_threads", [](berth::LoadOptions& o) { o.realtime_threads = 1; }, true},
      {"global_symbols", [](berth::LoadOptions& o) { o.global_symbols = true; }, false},
      {"private_copy", [](berth::LoadOptions& o) { o.private_copy = true; }, false},
      {"keep_copy", [](berth::LoadOptions& o) { o.keep_copy = true; }, false},
  };
  berth::Host host;
  const berth_process_statistics before = ledger();
  berth_instance* mine = nullptr;
  REQUIRE(berth_instance_create(nullptr, &mine) == BERTH_OK);
  void* handle = open_elsewhere(fixture("minimal"));
  REQUIRE(handle != nullptr);
  for (const auto& option : options) {
    for (berth_instance* instance : {mine, static_cast<berth_instance*>(nullptr)}) {
      if (instance == nullptr && option.with_instance_only) continue;
      berth::LoadOptions given;
      option.set(given);
      berth::Error error;
      CHECK_FALSE(host.adopt(handle, given, instance, error));
      CAPTURE(error.text());
      CHECK(error.status() == BERTH_ERR_INVALID_ARGUMENT);
      CHECK(error.text().ends_with(std::string(": ") + option.name));
    }
  }
  CHECK(host.zombies() == 0);

  // What does have an effect is taken.
  berth::LoadOptions given;
  given.name = "mine";
  given.check_threads = false;
  berth::Plugin plugin = host.adopt(handle, given, mine);
  CHECK(plugin.name() == "mine");
  CHECK(plugin.instance() == mine);
  CHECK(host.unload(std::move(plugin)).outcome == Outcome::Destroyed);
  CHECK(same(ledger(), before));
}
