// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// What a plugin has given to the C++ library for the whole process keeps the plugin, with the cause; what is only
// memory of the library's kind becomes the process' own.
#include <iostream>
#include <locale>
#include <sstream>
#include <string>
#include <utility>

#include "host_fixtures.hpp"
#include "support/catch.hpp"

using namespace berth::tests;
using Outcome = berth::UnloadReport::Outcome;

namespace {

// For each thing that the plugin can give: use(plugin, what the cause must name).
template <typename Use>
void for_each_gift(const std::string& name, Use use) {
  for (int which = 0;; ++which) {
    berth::Host host;
    berth::Plugin plugin = host.load(fixture(name));
    const char* const gift = plugin.symbol<const char*(int)>("give")(which);
    if (gift == nullptr) {
      CHECK(which > 3);
      CHECK(host.unload(std::move(plugin)).outcome == Outcome::Destroyed);
      return;
    }
    const std::string what = gift;
    CAPTURE(what);
    use(host, std::move(plugin), what);
    CHECK(host.zombies() == 0);
  }
}

}  // namespace

TEST_CASE("a pointer into a plugin that the C++ library keeps refuses its unload", "[library]") {
  for_each_gift("gives_to_library", [](berth::Host& host, berth::Plugin plugin, const std::string& what) {
    berth::Error error;
    const berth::UnloadReport refused = host.unload(std::move(plugin), error);
    REQUIRE(plugin);  // NOLINT(bugprone-use-after-move): it was refused
    CHECK(refused.outcome == Outcome::Refused);
    CHECK(error.status() == BERTH_ERR_BUSY);
    CHECK(error.why() == berth::Cause::ProcessState);
    CAPTURE(error.text());
    CHECK(contains(error.text(), what));
    plugin.symbol<void()>("take_back")();
    const berth::UnloadReport report = host.unload(std::move(plugin));
    CHECK(report.outcome == Outcome::Destroyed);
    CHECK(report.live_blocks == 0);
  });
}

TEST_CASE("a plugin that takes its pointers back in berth_detach leaves", "[library]") {
  for_each_gift("gives_to_library_until_detach", [](berth::Host& host, berth::Plugin plugin, const std::string&) {
    CHECK(host.unload(std::move(plugin)).outcome == Outcome::Destroyed);
  });
}

TEST_CASE("a plugin that forgets its pointers in berth_detach stays until they are gone", "[library]") {
  for_each_gift("gives_to_library_and_forgets", [](berth::Host& host, berth::Plugin plugin, const std::string& what) {
    const auto take_back = plugin.symbol<void()>("take_back");
    const berth::UnloadReport report = host.unload(std::move(plugin));
    CHECK(report.outcome == Outcome::Zombie);
    CHECK(report.why == berth::Cause::ProcessState);
    CHECK(contains(report.cause, what));
    CHECK(host.reap().empty());
    take_back();
    CHECK(host.reap().size() == 1);
  });
}

TEST_CASE("a locale that a plugin has mixed of the process' own facets serves the host after the unload", "[library]") {
  const berth_process_statistics before = ledger();
  const std::locale global = std::locale();
  std::ostringstream narrow;
  std::wostringstream wide;
  {
    berth::Host host;
    berth::Plugin plugin = host.load(fixture("gives_to_library"));
    plugin.symbol<void(std::ostream*, std::wostream*)>("imbue_with_mixed_locale")(&narrow, &wide);
    plugin.symbol<void()>("make_mixed_locale_global")();
    const berth::UnloadReport report = host.unload(std::move(plugin));
    CHECK(report.outcome == Outcome::Destroyed);
    CHECK(report.live_blocks == 0);
  }
  CHECK(same(ledger(), before));
  narrow << 1.5 << ' ' << 1234567;
  wide << 1.5 << L' ' << 1234567;
  CHECK(narrow.str() == "1.5 1234567");
  CHECK(wide.str() == L"1.5 1234567");
  std::ostringstream later;
  later << 2.5;
  CHECK(later.str() == "2.5");
  std::locale::global(global);
}
