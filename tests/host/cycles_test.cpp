// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// A thousand loads and unloads leave the process as it was, as the system shows it. BERTH_CYCLES sets another count.
#include <array>
#include <cstdlib>

#include "host_fixtures.hpp"
#include "support/catch.hpp"
#include "support/process_view.hpp"
#include "support/scaled.hpp"

using namespace berth::tests;
using Outcome = berth::UnloadReport::Outcome;

namespace {

std::size_t cycles() {
  const char* given = std::getenv("BERTH_CYCLES");
  return given != nullptr ? std::strtoul(given, nullptr, 10) : scaled(1000, 5);
}

// Forgets a block.
void use(const berth::Plugin& plugin) {
  if (plugin.name() == "standard_library") {
    REQUIRE(plugin.import <bool()>("use_map")());
    plugin.symbol<void*(std::size_t)>("new_bytes")(100000);
  } else {
    plugin.import <void*(std::size_t)>("minimal_allocate")(100000);
  }
}

void cycle(berth::Host& host, const char* name) {
  berth::Plugin plugin = host.load(fixture(name));
  use(plugin);
  REQUIRE(host.unload(std::move(plugin)).outcome == Outcome::Destroyed);
}

// run(count) twice, first for everybody's tables.
template <typename Run>
void leaves_no_trace(Run run) {
  const berth_process_statistics ledger_before = ledger();
  run(std::size_t{50});
  const ProcessView before = ProcessView::now();
  run(cycles());
  const ProcessView after = ProcessView::now();
  CAPTURE(before, after);
  CHECK(same(ledger(), ledger_before));
  CHECK(leaves_no_descriptor(before, after, [&] { return run(cycles()), true; }));
  CHECK(after.thread_keys == before.thread_keys);
  if (kSanitized) return;  // the runtime maps shadow memory as it pleases
  CHECK(after.address_space_bytes == before.address_space_bytes);
  CHECK(after.map_entries == before.map_entries);
  // The second 64 KiB: one window of the program's own file that the system maps around a first touch of it.
  CHECK(after.resident_bytes <= before.resident_bytes + 2 * 64 * 1024);
}

}  // namespace

TEST_CASE("1,000 cycles of a plugin leave nothing behind", "[cycles]") {
  berth::Host host;
  for (const char* name : {"minimal", "standard_library"}) {
    CAPTURE(name);
    leaves_no_trace([&](std::size_t count) {
      for (std::size_t i = 0; i < count; ++i) cycle(host, name);
    });
  }
}

TEST_CASE("so do cycles that overlap, whichever of the plugins ends first", "[cycles]") {
  berth::Host host;
  constexpr std::array<std::size_t, 12> kTurns = {0, 1, 2, 3, 0, 2, 1, 3, 3, 2, 1, 0};
  leaves_no_trace([&](std::size_t count) {
    std::array<berth::Plugin, 4> plugins;
    berth::LoadOptions options;
    options.private_copy = true;
    for (std::size_t i = 0; i < count; ++i) {
      berth::Plugin& plugin = plugins[kTurns[i % kTurns.size()]];
      if (plugin) REQUIRE(host.unload(std::move(plugin)).outcome == Outcome::Destroyed);
      plugin = host.load(fixture(i % 3 == 0 ? "standard_library" : "minimal"), options);
      use(plugin);
    }
    for (berth::Plugin& plugin : plugins) {
      if (plugin) REQUIRE(host.unload(std::move(plugin)).outcome == Outcome::Destroyed);
    }
  });
}
