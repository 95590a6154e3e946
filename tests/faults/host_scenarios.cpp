// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// The functions of berth/host.hpp that make an instance or end one.
#include <chrono>
#include <string>
#include <utility>

#include "host/host_fixtures.hpp"
#include "support/catch.hpp"
#include "trial.hpp"

namespace berth::tests::faults {

namespace {

void prepare_host(World& world) { world.host = std::make_unique<berth::Host>(); }

// With a block that the plugin forgets.
void prepare_plugin(World& world) {
  prepare_host(world);
  world.plugin = world.host->load(fixture("minimal"));
  REQUIRE(world.plugin.symbol<void*(std::size_t)>("minimal_allocate")(6 << 20) != nullptr);
}

// Refused, it names the plugin, and there is nothing left of its instance.
Answer answer_of(const World& world, const berth::Error& error) {
  if (world.plugin) return Answer::Done;
  CAPTURE(error.text());
  CHECK((error.status() == BERTH_ERR_OUT_OF_MEMORY || error.status() == BERTH_ERR_ADDRESS_SPACE ||
         error.status() == BERTH_ERR_UNSUPPORTED));
  CHECK(error.plugin() == "minimal");
  CHECK(contains(error.text(), "no instance: "));
  CHECK(ledger().instances == 0);
  return Answer::Refused;
}

Answer load(World& world, const berth::LoadOptions& options) {
  berth::Error error;
  world.plugin = world.host->load(fixture("minimal"), options, error);
  CHECK(is_mapped("minimal") == static_cast<bool>(world.plugin));
  return answer_of(world, error);
}

void add_loads(std::vector<Scenario>& all) {
  for (const Level& level : kLevels) {
    berth::LoadOptions options;
    options.hardening = level.hardening;
    options.flags = level.flags;
    all.push_back({"Host::load", level.name, prepare_host, [options](World& world) { return load(world, options); }});
  }
  berth::LoadOptions options;
  options.realtime_bytes = 1 << 20;
  all.push_back({"Host::load", "with a real-time budget", prepare_host,
                 [options](World& world) { return load(world, options); }});
  options = {};
  options.private_copy = true;
  all.push_back({"Host::load", "a private copy", prepare_host, [options](World& world) {
                   berth::Error error;
                   world.plugin = world.host->load(fixture("minimal"), options, error);
                   return answer_of(world, error);
                 }});
}

void open_module(World& world) {
  prepare_host(world);
  world.module = open_elsewhere(fixture("minimal"));
  REQUIRE(world.module != nullptr);
}

void add_adoptions(std::vector<Scenario>& all) {
  for (const Level& level : kLevels) {
    berth::LoadOptions options;
    options.hardening = level.hardening;
    options.flags = level.flags;
    all.push_back({"Host::adopt", level.name, open_module, [options](World& world) {
                     berth::Error error;
                     world.plugin = world.host->adopt(world.module, options, nullptr, error);
                     CHECK(is_mapped("minimal"));
                     return answer_of(world, error);
                   }});
  }
}

// Gone for good or with its addresses deferred, never left half.
void check_gone(const berth::UnloadReport& report) {
  CHECK(report.outcome == berth::UnloadReport::Outcome::Destroyed);
  CHECK((report.status == BERTH_OK || report.status == BERTH_ERR_DEFERRED));
  CHECK(report.plugin == "minimal");
  CHECK(report.live_blocks == 1);
}

void check_nothing_loaded() {
  CHECK_FALSE(is_mapped("minimal"));
  CHECK(ledger().instances == 0);
  CHECK(ledger().committed_bytes == 0);
}

// What an adopted plugin, with or without an instance of the host's, leaves when it goes.
void add_ends_of_adopted(std::vector<Scenario>& all) {
  for (const bool own_instance : {false, true}) {
    all.push_back({"Host::unload", own_instance ? "adopted, with its instance" : "adopted",
                   [own_instance](World& world) {
                     open_module(world);
                     berth_instance* instance = nullptr;
                     if (own_instance) REQUIRE(berth_instance_create(nullptr, &instance) == BERTH_OK);
                     world.plugin = world.host->adopt(world.module, {}, instance);
                     REQUIRE(world.plugin.symbol<void*(std::size_t)>("minimal_allocate")(6 << 20) != nullptr);
                   },
                   [](World& world) {
                     check_gone(world.host->unload(std::move(world.plugin)));
                     check_nothing_loaded();
                     return Answer::Done;
                   }});
  }
}

void add_unloads(std::vector<Scenario>& all) {
  for (const std::uint32_t quarantine : {0u, 1u}) {
    all.push_back({"Host::unload", quarantine != 0 ? "into the quarantine" : "",
                   [quarantine](World& world) {
                     CHECK(berth_set_quarantine(quarantine) == BERTH_OK);
                     prepare_plugin(world);
                   },
                   [](World& world) {
                     check_gone(world.host->unload(std::move(world.plugin)));
                     check_nothing_loaded();
                     return Answer::Done;
                   }});
  }
  all.push_back({"Host::unload", "with a timeout", prepare_plugin, [](World& world) {
                   berth::Error error;
                   const berth::UnloadReport report =
                       world.host->unload(std::move(world.plugin), std::chrono::milliseconds(100), error);
                   CHECK(error.status() == BERTH_OK);
                   check_gone(report);
                   check_nothing_loaded();
                   return Answer::Done;
                 }});
  all.push_back({"Plugin::~Plugin", "", prepare_plugin, [](World& world) {
                   world.plugin = berth::Plugin();
                   check_nothing_loaded();
                   return Answer::Done;
                 }});
  const auto leave_zombie = [](World& world) {
    prepare_plugin(world);
    world.lease = world.plugin.lease();
    world.plugin = berth::Plugin();
    CHECK(world.host->zombies() == 1);
    world.lease.reset();
  };
  all.push_back({"Host::reap", "", leave_zombie, [](World& world) {
                   const std::vector<berth::UnloadReport> reports = world.host->reap();
                   REQUIRE(reports.size() == 1);
                   check_gone(reports.front());
                   check_nothing_loaded();
                   return Answer::Done;
                 }});
  all.push_back({"Host::~Host", "", leave_zombie, [](World& world) {
                   world.host.reset();
                   check_nothing_loaded();
                   return Answer::Done;
                 }});
}

}  // namespace

std::vector<Scenario> host_scenarios() {
  std::vector<Scenario> all;
  add_loads(all);
  add_adoptions(all);
  add_unloads(all);
  add_ends_of_adopted(all);
  return all;
}

}  // namespace berth::tests::faults
