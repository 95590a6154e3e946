// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// What an unload report tells: the survivors by size, and the same as a plain struct.
#include <cstring>

#include "host_fixtures.hpp"
#include "support/catch.hpp"

using namespace berth::tests;
using Outcome = berth::UnloadReport::Outcome;

TEST_CASE("survivors are grouped by size, the most bytes first") {
  berth::Host host;
  berth::Plugin plugin = host.load(fixture("minimal"));
  const auto allocate = plugin.symbol<void*(std::size_t)>("minimal_allocate");
  for (int i = 0; i < 10; ++i) allocate(64);
  for (int i = 0; i < 3; ++i) allocate(1000);
  allocate(1 << 20);
  const berth::UnloadReport report = host.unload(std::move(plugin));
  CHECK(report.live_blocks == 14);
  REQUIRE(report.survivors.size() == 3);
  CHECK(report.survivors[0].usable_size >= 1 << 20);
  CHECK(report.survivors[0].blocks == 1);
  CHECK(report.survivors[1].usable_size >= 1000);
  CHECK(report.survivors[1].blocks == 3);
  CHECK(report.survivors[2].usable_size == 64);
  CHECK(report.survivors[2].blocks == 10);
  std::size_t bytes = 0;
  for (const berth_survivors& group : report.survivors) {
    CHECK(group.bytes == group.usable_size * group.blocks);
    bytes += group.bytes;
  }
  CHECK(bytes == report.live_bytes);
}

TEST_CASE("of more sizes than a report holds, the largest groups are listed") {
  berth::Host host;
  berth::Plugin plugin = host.load(fixture("minimal"));
  const auto allocate = plugin.symbol<void*(std::size_t)>("minimal_allocate");
  for (std::size_t i = 1; i <= 3 * BERTH_SURVIVOR_GROUPS; ++i) allocate(i * 100000);
  const berth::UnloadReport report = host.unload(std::move(plugin));
  CHECK(report.live_blocks == 3 * BERTH_SURVIVOR_GROUPS);
  REQUIRE(report.survivors.size() == BERTH_SURVIVOR_GROUPS);
  for (std::size_t i = 0; i < report.survivors.size(); ++i) {
    CHECK(report.survivors[i].usable_size >= (3 * BERTH_SURVIVOR_GROUPS - i) * 100000);
  }
}

TEST_CASE("a report fills a plain struct, up to the size that the caller knows") {
  berth::Host host;
  berth::Plugin plugin = host.load(fixture("minimal"));
  plugin.symbol<void*(std::size_t)>("minimal_allocate")(1000);
  berth::UnloadReport report = host.unload(std::move(plugin));
  report.why = berth::Cause::NeededBy;
  report.cause = std::string(1000, 'x');

  berth_unload_report plain;
  std::memset(&plain, 0xff, sizeof(plain));
  plain.struct_size = sizeof(plain);
  REQUIRE(report.copy_to(&plain) == BERTH_OK);
  CHECK(plain.struct_size == sizeof(plain));
  CHECK(plain.outcome == BERTH_UNLOAD_DESTROYED);
  CHECK(plain.status == BERTH_OK);
  CHECK(plain.cause == BERTH_CAUSE_NEEDED_BY);
  CHECK(plain.nanoseconds > 0);
  CHECK(plain.live_blocks == 1);
  CHECK(plain.live_bytes == report.live_bytes);
  CHECK(plain.returned_bytes == report.returned_bytes);
  CHECK(plain.survivors[0].blocks == 1);
  CHECK(plain.survivors[1].blocks == 0);
  CHECK(std::string(plain.plugin) == "minimal");
  CHECK(std::string(plain.cause_text) == std::string(BERTH_REPORT_TEXT_BYTES - 1, 'x'));
  CHECK(std::string(plain.detach_error).empty());

  struct {
    berth_unload_report known;
    char later[16];
  } newer;
  std::memset(&newer, 0xff, sizeof(newer));
  newer.known.struct_size = sizeof(newer);
  REQUIRE(report.copy_to(&newer.known) == BERTH_OK);
  CHECK(std::string(newer.later, sizeof(newer.later)) == std::string(sizeof(newer.later), '\0'));

  plain.struct_size = 16;
  CHECK(report.copy_to(&plain) == BERTH_ERR_INVALID_ARGUMENT);
  CHECK(report.copy_to(nullptr) == BERTH_ERR_INVALID_ARGUMENT);
}

TEST_CASE("a refusal has its cause in the Error and in the report") {
  berth::Host host;
  berth::Plugin plugin = host.load(fixture("minimal"));
  berth::Lease lease = plugin.lease();
  berth::Error error;
  const berth::UnloadReport report = host.unload(std::move(plugin), error);
  CHECK(report.outcome == Outcome::Refused);
  CHECK(error.why() == berth::Cause::Held);
  CHECK(report.why == berth::Cause::Held);
  CHECK(report.plugin == "minimal");
  CHECK(report.cause == error.text());
  CHECK(std::string(berth::cause_name(report.why)) == "held");
  lease.reset();
}
