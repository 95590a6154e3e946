// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// A thousand loads and unloads leave the process as it was, read from /proc.
#include "host_fixtures.hpp"
#include "support/catch.hpp"
#include "support/process_view.hpp"

using namespace berth::tests;
using Outcome = berth::UnloadReport::Outcome;

namespace {

void cycle(berth::Host& host, const char* name) {
  berth::Plugin plugin = host.load(fixture(name));
  if (plugin.name() == "standard_library") {
    REQUIRE(plugin.import <bool()>("use_map")());
    plugin.symbol<void*(std::size_t)>("new_bytes")(100000);  // forgotten
  } else {
    plugin.import <void*(std::size_t)>("minimal_allocate")(100000);
  }
  REQUIRE(host.unload(std::move(plugin)).outcome == Outcome::Destroyed);
}

}  // namespace

TEST_CASE("1,000 cycles of a plugin leave nothing behind") {
  berth::Host host;
  for (const char* name : {"minimal", "standard_library"}) {
    CAPTURE(name);
    const berth_process_statistics ledger_before = ledger();
    for (int i = 0; i < 20; ++i) cycle(host, name);
    const ProcessView before = ProcessView::now();
    for (int i = 0; i < 1000; ++i) cycle(host, name);
    const ProcessView after = ProcessView::now();
    CHECK(same(ledger(), ledger_before));
    CHECK(after.descriptors == before.descriptors);
    CHECK(after.thread_keys == before.thread_keys);
    if (kSanitized) continue;  // the runtime maps shadow memory as it pleases
    CHECK(after.address_space_bytes == before.address_space_bytes);
    CHECK(after.map_entries == before.map_entries);
    CHECK(after.resident_bytes <= before.resident_bytes + 64 * 1024);
  }
}
