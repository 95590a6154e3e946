// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// `sample_host compare` from end to end: with the C library resident memory grows, with Berth it does not, and the
// picture shows just that. And the verdict and the charts on made-up curves.
#include "sample_host/compare/compare.hpp"

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "program.hpp"
#include "support/catch.hpp"
#include "support/texts.hpp"

using namespace sample_host;
using Json = nlohmann::json;

namespace {

constexpr std::size_t kMiB = 1024 * 1024;

using berth::tests::contains;

std::string read(const std::string& file) {
  std::ostringstream text;
  text << std::ifstream(file).rdbuf();
  return text.str();
}

Curve rising(std::size_t from, std::size_t to, std::size_t cycles) {
  Curve curve;
  for (std::size_t i = 0; i <= cycles; i++) curve.push_back(from + (to - from) * i / cycles);
  return curve;
}

// 100 cycles: from 6 to 30 MiB, and level at 7.
Comparison made_up() { return {100, rising(6 * kMiB, 30 * kMiB, 100), Curve(101, 7 * kMiB), 1}; }

// The values of an attribute in all elements whose start contains `mark`.
std::vector<std::string> values(const std::string& svg, const std::string& mark, const std::string& attribute) {
  std::vector<std::string> list;
  const std::string before = " " + attribute + "=\"";
  for (std::size_t end, start = svg.find('<'); start != std::string::npos; start = svg.find('<', end)) {
    end = svg.find('>', start);
    const std::string element = svg.substr(start, end - start);
    const std::size_t value = element.find(before);
    if (!contains(element, mark) || value == std::string::npos) continue;
    const std::size_t from = value + before.size();
    list.push_back(element.substr(from, element.find('"', from) - from));
  }
  return list;
}

// The points of each polyline, in the picture's own coordinates.
std::vector<std::vector<std::pair<double, double>>> polylines(const std::string& svg) {
  std::vector<std::vector<std::pair<double, double>>> lines;
  for (const std::string& points : values(svg, "<polyline", "points")) {
    std::istringstream text(points);
    auto& list = lines.emplace_back();
    char comma = 0;
    for (double x = 0, y = 0; text >> x >> comma >> y;) list.emplace_back(x, y);
  }
  return lines;
}

// Parsed by a plugin of ours, which is a real XML parser.
void require_well_formed(const std::string& file) {
  const Outcome outcome = run_sample_host({"run", "--xml", file});
  INFO(outcome.out << outcome.err);
  REQUIRE(outcome.status == 0);
}

}  // namespace

TEST_CASE("the C library's side grows, Berth's does not, and the picture shows it") {
  const TemporaryFolder folder;
  const std::string svg_file = folder.path("curves.svg");
  const std::string json_file = folder.path("curves.json");
  const Outcome outcome = run_sample_host({"compare", "--cycles", "60", "--svg", svg_file, "--json", json_file});
  INFO(outcome.out << outcome.err);
  REQUIRE(outcome.status == 0);
  const Json record = Json::parse(read(json_file));
  const Comparison comparison{60, record["c_library_resident_bytes"].get<Curve>(),
                              record["berth_resident_bytes"].get<Curve>(), 0};
  REQUIRE(comparison.c_library.size() == 61);
  REQUIRE(comparison.berth.size() == 61);
  // leaky forgets some 20 KiB a cycle.
  CHECK(Comparison::growth(comparison.c_library) > static_cast<std::ptrdiff_t>(kMiB / 2));
  CHECK(Comparison::growth(comparison.berth) < static_cast<std::ptrdiff_t>(kMiB / 4));
  CHECK(contains(outcome.out, "C library"));
  CHECK(contains(outcome.out, "█"));
  for (const char* plugin : {"lua", "sqlite", "expat", "index", "leaky"}) {
    CHECK(contains(outcome.out, std::string(plugin) + " is metered: "));
  }
  CHECK(record["metering"].size() >= 5);

  require_well_formed(svg_file);
  const auto lines = polylines(read(svg_file));
  REQUIRE(lines.size() == 2);
  for (const auto& line : lines) CHECK(line.size() == 61);
  CHECK(lines[0].back().second < lines[1].back().second);  // the C library's ends higher: y grows downwards
}

TEST_CASE("a picture is well-formed, has a name at each end, and keeps to its size") {
  const TemporaryFolder folder;
  const std::string svg = svg_chart(made_up());
  require_well_formed(folder.write("picture.svg", svg));
  for (const char* part : {">C library<", ">30.0 MiB<", ">Berth<", ">7.00 MiB<", ">cycles of load, work, unload<"}) {
    INFO(part);
    CHECK(contains(svg, part));
  }
  CHECK(contains(svg, "width=\"800\""));
  const auto lines = polylines(svg);
  REQUIRE(lines.size() == 2);
  for (const auto& line : lines) {
    for (const auto& [x, y] : line) {
      CHECK((x >= 0 && x <= 800));
      CHECK((y >= 0 && y <= 400));
    }
  }
  CHECK(std::is_sorted(lines[0].begin(), lines[0].end(), [](auto& a, auto& b) { return a.second > b.second; }));
}

TEST_CASE("names are apart where curves are not") {
  Comparison comparison = made_up();
  comparison.berth = comparison.c_library;
  const std::string svg = svg_chart(comparison);
  const std::vector<std::string> heights = values(svg, "font-weight=\"700\"", "y");
  REQUIRE(heights.size() == 2);
  CHECK(std::abs(std::stod(heights[0]) - std::stod(heights[1])) >= 36);
}

TEST_CASE("two lines of blocks have one scale") {
  const std::string chart = block_chart(made_up(), 8);
  CHECK(contains(chart, "C library  ▁▂▃▄▅▆▇█  6.00 MiB -> 30.0 MiB, grown by 21.6 MiB\n"));
  CHECK(contains(chart, "Berth      ▁▁▁▁▁▁▁▁  7.00 MiB -> 7.00 MiB, grown by 0 B\n"));
}

TEST_CASE("the claim is not made when it does not hold") {
  CHECK(made_up().fault().empty());
  Comparison both = made_up();
  both.berth = both.c_library;
  CHECK(contains(both.fault(), "with Berth, resident memory has grown by 21.6 MiB"));
  Comparison neither = made_up();
  neither.c_library = neither.berth;
  CHECK(contains(neither.fault(), "with the C library, resident memory has not grown"));
}

TEST_CASE("files that cannot be written are named") {
  const Outcome outcome = run_sample_host({"compare", "--cycles", "10", "--svg", "/nowhere/picture.svg"});
  INFO(outcome.out << outcome.err);
  CHECK(outcome.status == 2);
  CHECK(contains(outcome.err, "/nowhere/picture.svg"));
}
