// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// What the templates of the C++ library that are compiled into a plugin hand to a locale, which outlives the plugin, is
// the process' own: afterwards the host formats and reads with it.
#include <iterator>
#include <locale>
#include <sstream>
#include <string>
#include <utility>

#include "host_fixtures.hpp"
#include "support/catch.hpp"

using namespace berth::tests;

namespace {

// Of both kinds of character, and with figures that no standard locale has. A new locale has cached nothing yet.
template <typename C>
struct Figures : std::numpunct<C> {
  C do_thousands_sep() const override { return C('_'); }
  std::string do_grouping() const override { return "\3"; }
};

template <typename C>
std::basic_string<C> of_host(const std::locale& locale) {
  std::basic_ostringstream<C> stream;
  stream.imbue(locale);
  stream << 1234567L << C(' ') << 1.5;
  const std::ostreambuf_iterator<C> out(stream);
  std::use_facet<std::money_put<C>>(locale).put(out, false, stream, C(' '), 1234.0L);
  std::use_facet<std::money_put<C>>(locale).put(out, true, stream, C(' '), 1234.0L);
  return stream.str();
}

}  // namespace

TEST_CASE("a locale that a plugin has formatted with serves the host after the unload") {
  const berth_process_statistics before = ledger();
  berth::Host host;
  const std::locale alike(std::locale(std::locale::classic(), new Figures<char>), new Figures<wchar_t>);
  const std::locale used(std::locale(std::locale::classic(), new Figures<char>), new Figures<wchar_t>);
  for (const char* name : {"formats_numbers", "formats_numbers_unoptimised"}) {
    const std::locale locale(std::locale(used, new Figures<char>), new Figures<wchar_t>);
    berth::Plugin plugin = host.load(fixture(name));
    plugin.symbol<void(const std::locale*)>("format_numbers")(&locale);
    const berth::UnloadReport report = host.unload(std::move(plugin));
    CHECK(report.outcome == berth::UnloadReport::Outcome::Destroyed);
    CHECK(report.live_blocks == 0);
    CHECK(of_host<char>(locale) == of_host<char>(alike));
    CHECK(of_host<wchar_t>(locale) == of_host<wchar_t>(alike));
  }
  CHECK(same(ledger(), before));
}
