// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// berth report: what a run has written becomes a page that needs nothing but itself; what is no report is refused with
// the reason. And what a run writes over time: cycles, a timeline, a trace.
#include <fstream>
#include <string>

#include "report/report_support.hpp"
#include "support/catch.hpp"
#include "support/texts.hpp"

namespace {

using namespace routing_test;

std::string file(const std::string& name, const std::string& text) {
  const fs::path path = scratch() / name;
  std::ofstream(path, std::ios::binary) << text;
  return path.string();
}

Json plugin_named(const std::string& name) {
  return {{"name", name},
          {"path", "/lib/" + name},
          {"loads", 2},
          {"allocations", 7},
          {"peak_bytes", 2048},
          {"forgotten_bytes", 1024},
          {"metering", "whole"},
          {"metering_text", ""},
          {"timeline", {{0, 0, 0}, {50, 2048, 2048}, {90, 0, 2048}}},
          {"cycles", {{{"loaded_ms", 1}, {"unloaded_ms", 80}, {"peak_bytes", 2048}, {"left_bytes", 1024}}}},
          {"stacks", {{{"bytes", 1024}, {"blocks", 1}, {"frames", {"inner+0x1", "<outer>+0x2"}}}}}};
}

Json report_of(const std::string& name) {
  return {{"berth", "0.1.0"}, {"command", "host"}, {"pid", 3}, {"routing", "on"}, {"plugins", {plugin_named(name)}}};
}

using berth::tests::contains;

}  // namespace

TEST_CASE("a page has the table, the timeline, the cycles and the stacks, and names cannot break it") {
  const std::string hostile = "<script>\"alert(1)</script>'&\x1b[31m";
  const std::string page = page_of(file("one.json", report_of(hostile).dump()));
  CHECK(contains(page, "&lt;script&gt;&quot;alert(1)&lt;/script&gt;&#39;&amp;?[31m"));
  CHECK_FALSE(contains(page, "<script"));
  CHECK_FALSE(contains(page, "\x1b"));
  CHECK(contains(page, "<path class=\"live\" d=\"M0,100L"));
  CHECK(contains(page, "<td>80 ms</td>"));
  CHECK(contains(page, "&lt;outer&gt;+0x2"));
  CHECK(page.find("&lt;outer&gt;+0x2: 1024 B") < page.find("inner+0x1: 1024 B"));
  // Nothing is asked of a network, and a browser would refuse.
  CHECK_FALSE(contains(page, "http://"));
  CHECK_FALSE(contains(page, "https://"));
  CHECK(contains(page, "default-src 'none'"));
  CHECK(contains(page, "</html>"));
}

TEST_CASE("several files are one page, and two can be compared") {
  Json more = report_of("reverb");
  more["plugins"][0]["forgotten_bytes"] = 3072;
  more["command"] = "host again";
  const std::string files = file("one.json", report_of("reverb").dump()) + " " + file("two.json", more.dump());
  const std::string page = page_of(files);
  CHECK(contains(page, "<h2>host</h2>"));
  CHECK(contains(page, "<h2>host again</h2>"));
  CHECK(contains(page_of("--compare " + files), "<td title=\"1024 B to 3072 B\" class=\"bad\">+2048 B</td>"));
  const Outcome text = report("--compare " + files);
  CHECK(text.status == 0);
  CHECK(contains(text.output, "+2048 B"));
  CHECK(report("--compare " + file("one.json", "{}")).status == 125);
  CHECK(report("").status == 125);
}

TEST_CASE("a snapshot says that it has no timeline, and no figures of before") {
  Json snapshot = report_of("reverb");
  snapshot["kind"] = "snapshot";
  snapshot["plugins"][0].erase("timeline");
  const std::string name = file("snapshot.json", snapshot.dump());
  CHECK(contains(page_of(name), "it has no timeline"));
  CHECK(contains(report(name).output, " -"));
  const std::string before = file("one.json", report_of("reverb").dump());
  CHECK_FALSE(contains(report("--compare " + before + " " + name).output, "-1024 B"));
}

TEST_CASE("what is no report is refused, and why is said") {
  const std::string whole = report_of("reverb").dump();
  const std::pair<std::string, const char*> files[] = {
      {file("cut.json", whole.substr(0, whole.size() / 2)), "is cut off"},
      {file("barely.json", whole.substr(0, whole.size() - 1)), "is cut off"},
      {file("text", "berth: what the plugins took"), "is no JSON"},
      {file("binary", std::string("\x7f"
                                  "ELF\0\0",
                                  6)),
       "is no JSON"},
      {file("other.json", "{\"plugins\": 3}"), "no report of Berth's"},
      {file("list.json", "[]"), "no report of Berth's"},
      {file("empty.json", ""), "is empty"},
      {file("newer.json", "{\"berth\": \"9.1.0\", \"plugins\": []}"), "was written by Berth 9.1.0"},
      {(scratch() / "absent.json").string(), "cannot be read: No such file"}};
  for (const auto& [name, why] : files) {
    const Outcome outcome = report(name);
    INFO(name << ": " << outcome.errors);
    CHECK(outcome.status == 1);
    CHECK(contains(outcome.errors, why));
    CHECK(outcome.output.empty());
  }
  const Outcome unwritable = report(file("one.json", whole) + " --html /nowhere/page.html");
  CHECK(unwritable.status == 1);
  CHECK(contains(unwritable.errors, "cannot be written"));
}

TEST_CASE("members of another type count as not there") {
  Json odd = report_of("reverb");
  odd["pid"] = "many";
  odd["plugins"][0]["peak_bytes"] = -5;
  odd["plugins"][0]["timeline"] = {{1, 2}, "x", {"a", "b", "c"}, {5, 1e300, 3}};
  odd["plugins"][0]["stacks"] = {3, {{"bytes", "y"}, {"frames", {1, nullptr}}}};
  odd["plugins"].push_back(17);
  const std::string page = page_of(file("odd.json", odd.dump()));
  CHECK(contains(page, "reverb"));
  CHECK(contains(page, "Call stacks: not sampled."));
}

TEST_CASE("a run tells what each load took and what was live when") {
  const std::string trace = (scratch() / "trace.json").string();
  const Run run = routing_test::run("--trace " + trace, std::string(BERTH_ROUTED_HOST) + " exit 40 " BERTH_LEAKY);
  const Json& leaky = plugin(run.report, "leaky");
  REQUIRE(leaky["cycles"].size() == 32);  // the last ones
  for (const Json& cycle : leaky["cycles"]) {
    CHECK(cycle["left_bytes"].get<std::size_t>() >= 800);
    CHECK(cycle["peak_bytes"].get<std::size_t>() >= cycle["left_bytes"].get<std::size_t>());
    CHECK(cycle["unloaded_ms"].get<std::size_t>() >= cycle["loaded_ms"].get<std::size_t>());
  }
  const Json& timeline = leaky["timeline"];
  REQUIRE(timeline.size() >= 2);
  CHECK(timeline.size() <= 241);
  std::size_t before = 0;
  for (const Json& point : timeline) {
    REQUIRE(point.size() == 3);
    CHECK(point[0].get<std::size_t>() >= before);
    before = point[0].get<std::size_t>();
    CHECK(point[1].get<std::size_t>() <= point[2].get<std::size_t>());
  }
  CHECK(timeline.back()[1] == leaky["live_bytes"].get<std::size_t>() + leaky["kept_bytes"].get<std::size_t>());
  CHECK(timeline.back()[2] == leaky["peak_bytes"]);

  const Json events = Json::parse(contents(trace));
  REQUIRE(events.size() >= 40);
  std::size_t most = 0;
  for (const Json& event : events) {
    CHECK(event["ph"] == "C");
    CHECK(event["name"] == "leaky");
    CHECK(event["ts"].is_number());
    most = std::max(most, event["args"]["live bytes"].get<std::size_t>());
  }
  CHECK(most >= 800);
  CHECK(contains(page_of((scratch() / "report.json").string()), "<path class=\"live\""));
}

TEST_CASE("a trace that cannot be written is told, and the program runs as it would") {
  const Run run = routing_test::run("--trace /nowhere/trace", std::string(BERTH_ROUTED_HOST) + " exit 1 " BERTH_LEAKY);
  CHECK(run.outcome.status == 7);
  CHECK(contains(run.outcome.errors, "the trace cannot be written to /nowhere/trace"));
}
