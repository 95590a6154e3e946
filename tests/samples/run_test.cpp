// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// `sample_host run` from end to end: what it does on its own, with the user's plugins and files, and when told to leave
// something behind.
#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <string>

#include "program.hpp"
#include "support/catch.hpp"
#include "support/texts.hpp"

using Json = nlohmann::json;

namespace {

using berth::tests::contains;

Json plugin_named(const Json& report, const std::string& name) {
  for (const Json& plugin : report["plugins"]) {
    if (plugin["name"] == name) return plugin;
  }
  FAIL("no plugin " << name << " in " << report.dump(2));
  return {};
}

// The one result of a plugin that had one input.
std::string only_result(const Json& report, const std::string& name) {
  const Json plugin = plugin_named(report, name);
  REQUIRE(plugin["results"].size() == 1);
  return plugin["results"][0]["text"];
}

void require_everything_gone(const Json& report) {
  CHECK(report["verdict"]["everything_went_back"] == true);
  CHECK(report["verdict"]["destroyed"] == report["verdict"]["instances"]);
  CHECK(report["verdict"]["remaining_bytes"] == 0);
  CHECK(report["verdict"]["remaining_map_entries"] == 0);
  CHECK(report["verdict"]["faults"].empty());
  CHECK(report["ledger"]["instances"] == 0);
  CHECK(report["ledger"]["reservations"] == 0);
  CHECK(report["ledger"]["reserved_bytes"] == 0);
}

}  // namespace

TEST_CASE("run without arguments works all plugins and ends with the verdict") {
  const Outcome outcome = run_sample_host({"run"});
  INFO(outcome.out << outcome.err);
  CHECK(outcome.status == 0);
  CHECK(outcome.err.empty());
  for (const char* part : {"lua", "sqlite", "expat", "index", "leaky", "Left at unload", "Before", "At peak", "After",
                           "Address space", "Resident", "Map entries", "VERDICT: everything went back. 5 of 5"}) {
    CHECK(contains(outcome.out, part));
  }
}

TEST_CASE("run --json tells the same for machines") {
  const Outcome outcome = run_sample_host({"run", "--json", "--threads", "4", "--rounds", "2"});
  INFO(outcome.out << outcome.err);
  REQUIRE(outcome.status == 0);
  const Json report = Json::parse(outcome.out);
  require_everything_gone(report);
  CHECK(report["threads"] == 4);
  CHECK(report["errors"].empty());
  REQUIRE(report["plugins"].size() == 5);

  std::size_t span_bytes = 0;
  for (const Json& plugin : report["plugins"]) {
    INFO(plugin["name"]);
    CHECK(plugin["loaded"] == true);
    CHECK(plugin["unloaded"] == true);
    CHECK(plugin["calls"] > 0);
    CHECK(plugin["failed_calls"] == 0);
    CHECK(plugin["units"] > 0);
    CHECK(plugin["allocations"] > 0);
    CHECK(plugin["peak_committed_bytes"] >= plugin["committed_bytes"]);
    CHECK(plugin["committed_bytes"] >= plugin["live_bytes"]);
    CHECK(plugin["returned_bytes"] == plugin["span_bytes"]);
    span_bytes += plugin["span_bytes"].get<std::size_t>();
  }
  // Whoever cleans up leaves nothing; leaky leaves exactly what it says.
  for (const char* name : {"lua", "sqlite", "expat", "index"}) CHECK(plugin_named(report, name)["blocks_left"] == 0);
  const Json leaky = plugin_named(report, "leaky");
  CHECK(leaky["blocks_left"] == leaky["units"]);
  CHECK(leaky["blocks_left"] == leaky["live_blocks"]);
  CHECK(plugin_named(report, "index")["live_bytes"] > 0);

  // From outside: the spans were in the map, and are not any more.
  CHECK(report["verdict"]["taken_bytes"] == span_bytes);
  const Json& process = report["process"];
  CHECK(process["peak"]["address_space_bytes"].get<std::size_t>() >=
        process["before"]["address_space_bytes"].get<std::size_t>() + span_bytes);
  CHECK(process["after"]["address_space_bytes"].get<std::size_t>() <
        process["before"]["address_space_bytes"].get<std::size_t>() + span_bytes);
}

TEST_CASE("the user's own plugin runs on the user's own file") {
  const TemporaryFolder folder;
  const std::string file = folder.write("poem.txt", "one ship\ntwo berths\nthree ships\n");
  const Outcome outcome = run_sample_host({"run", OWN_PLUGIN, "--input", file, "--argument", "ship"});
  INFO(outcome.out << outcome.err);
  CHECK(outcome.status == 0);
  CHECK(contains(outcome.out, "line counter"));
  CHECK(contains(outcome.out, "2 lines contain \"ship\""));
  CHECK(contains(outcome.out, "1 of 1 instance destroyed"));
  CHECK_FALSE(contains(outcome.out, "sqlite"));
}

TEST_CASE("the sample plugins run on the user's own files") {
  const TemporaryFolder folder;
  const std::string script = folder.write("shout.lua", "print(name); return text:upper()");
  const std::string text = folder.write("text.txt", "apple pear apple");
  const std::string csv = folder.write("cities.csv",
                                       "name,people\r\n\"Berlin, Stadt\",3700000\r\nWien,2000000\r\n"
                                       "\"the \"\"old\"\" town\",900\r\n");
  const std::string xml = folder.write("menu.xml", "<menu><dish price='3'>soup</dish><dish price='9'/></menu>");
  const Outcome outcome =
      run_sample_host({"run", "--lua", script, "--text", text, "--csv", csv, "--sql",
                       "SELECT name FROM data WHERE people > 1000000 ORDER BY people", "--sql",
                       "SELECT sum(people), count(*) FROM data", "--xml", xml, "--index", text, "--json"});
  INFO(outcome.out << outcome.err);
  REQUIRE(outcome.status == 0);
  const Json report = Json::parse(outcome.out);
  require_everything_gone(report);
  CHECK(only_result(report, "lua") == text + "\nAPPLE PEAR APPLE");
  CHECK(only_result(report, "sqlite") == "name\nWien\nBerlin, Stadt\nsum(people) | count(*)\n5700900 | 3\n");
  CHECK(contains(only_result(report, "expat"), "3 elements, 2 attributes, 4 bytes of text, 2 deep"));
  CHECK(contains(only_result(report, "index"), "3 words, 2 different, 2 of them new"));
}

TEST_CASE("an instance that is kept is found, and the exit status says so") {
  const Outcome outcome = run_sample_host({"run", "--json", "--leak-one"});
  INFO(outcome.out << outcome.err);
  CHECK(outcome.status == 1);
  const Json report = Json::parse(outcome.out);
  const Json& verdict = report["verdict"];
  CHECK(verdict["everything_went_back"] == false);
  CHECK(verdict["instances"] == 6);
  CHECK(verdict["destroyed"] == 5);
  CHECK(report["ledger"]["instances"] == 1);
  CHECK(report["ledger"]["reservations"] == 1);
  CHECK(verdict["remaining_bytes"] == report["ledger"]["reserved_bytes"]);
  CHECK(verdict["remaining_map_entries"] > 0);
}

TEST_CASE("address space that no ledger knows is found from outside") {
  const Outcome outcome = run_sample_host({"run", "--leak-one", "mapping"});
  INFO(outcome.out << outcome.err);
  CHECK(outcome.status == 1);
  CHECK(contains(outcome.out, "VERDICT: something remains"));
  CHECK(contains(outcome.out, " of anonymous memory remain"));
}

TEST_CASE("a progress bar shows on a terminal, for what takes longer than a second") {
  if (!has_terminals()) {
    WARN("no pseudo-terminal here: not tested");
    return;
  }
  double rounds = 8;
  double seconds = 0;
  Outcome outcome;
  while (seconds < 1.5) {  // as much work as takes this machine about two seconds
    if (seconds > 0) rounds *= std::max(2 / seconds, 1.5);
    outcome = run_sample_host({"run", "--json", "--rounds", std::to_string(std::lround(rounds))}, Errors::ToTerminal);
    REQUIRE(outcome.status == 0);
    seconds = Json::parse(outcome.out)["seconds"];
    if (seconds < 0.9) CHECK(outcome.err.empty());
  }
  INFO(outcome.err);
  CHECK(contains(outcome.err, " %, "));
  CHECK(contains(outcome.err, "calls"));
  CHECK(contains(outcome.err, " left"));
}

TEST_CASE("help tells a newcomer what to type") {
  const Outcome general = run_sample_host({"--help"});
  CHECK(general.status == 0);
  for (const char* part : {"sample_host demo", "run", "soak", "compare"}) CHECK(contains(general.out, part));
  for (const char* subcommand : {"demo", "soak", "compare"}) {
    const Outcome help = run_sample_host({subcommand, "--help"});
    CHECK(help.status == 0);
    CHECK(contains(help.out, "Exit status"));
  }
  const Outcome run = run_sample_host({"run", "--help"});
  CHECK(run.status == 0);
  for (const char* part : {"Examples:", "--lua", "--csv", "--sql", "--xml", "--threads", "--json", "Exit status"}) {
    CHECK(contains(run.out, part));
  }
  CHECK_FALSE(contains(run.out, "leak-one"));
}
