// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// How much of a plugin is metered, and why not the whole: told before and after the unload, in C++ and in C.
#include "host_fixtures.hpp"
#include "support/catch.hpp"

using namespace berth::tests;
using berth::Metering;

namespace {

struct Seen {
  Metering metering;
  std::string text;
};

// What the Plugin says; the report and the C report must say the same.
Seen seen(const std::string& name) {
  berth::Host host;
  berth::Plugin plugin = host.load(fixture(name));
  const Seen before{plugin.metering(), plugin.metering_text()};
  const berth::UnloadReport report = host.unload(std::move(plugin));
  CHECK(report.metering == before.metering);
  CHECK(report.metering_text == before.text);
  CHECK(before.text.empty() == (before.metering == Metering::Whole));
  berth_unload_report plain{};
  plain.struct_size = sizeof(plain);
  REQUIRE(report.copy_to(&plain) == BERTH_OK);
  CHECK(plain.metering == static_cast<std::uint32_t>(before.metering));
  CHECK(std::string(plain.metering_text) == before.text.substr(0, BERTH_REPORT_TEXT_BYTES - 1));
  return before;
}

}  // namespace

TEST_CASE("a plugin whose every allocation is its instance's is metered whole", "[metering]") {
  for (const char* name : {"standard_library", "strings_14", "strings_17", "strings_20", "minimal"}) {
    const Seen it = seen(name);
    CAPTURE(name, it.text);
    CHECK(it.metering == Metering::Whole);
  }
}

TEST_CASE("a plugin without Berth is not metered, and what it imports is named", "[metering]") {
  const Seen plain = seen("plain");
  CHECK(plain.metering == Metering::Not);
  CHECK(plain.text == "it has no Berth in it and imports no allocator");
  const Seen allocates = seen("allocates");
  CHECK(allocates.metering == Metering::Not);
  CHECK(allocates.text == "it has no Berth in it and imports malloc, strdup");
}

TEST_CASE("a plugin that takes the handle and calls malloc as well is metered in part", "[metering]") {
  const Seen it = seen("allocates_too");
  CHECK(it.metering == Metering::Partly);
  CHECK(it.text == "it imports malloc, strdup");
}

TEST_CASE("a library that came with a plugin counts, and is named", "[metering]") {
  const Seen it = seen("allocates_through");
  CHECK(it.metering == Metering::Not);
  CHECK(contains(it.text, "allocates_library.so, which came with it: it imports malloc"));
}

TEST_CASE("an operator new that was loaded for no instance is told", "[metering]") {
  void* handle = open_elsewhere(fixture("strings_20"));
  REQUIRE(handle != nullptr);
  berth::Host host;
  berth::Plugin plugin = host.adopt(handle);
  CHECK(plugin.metering() == Metering::Not);
  CHECK(contains(plugin.metering_text(), "for no instance"));
  CHECK(host.unload(std::move(plugin)).metering == Metering::Not);
}
