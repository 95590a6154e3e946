// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// The sample host on Windows, from end to end: what it does there, and that it finds what is left behind.
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "program.hpp"
#include "support/catch.hpp"
#include "support/seed.hpp"
#include "support/texts.hpp"

using Json = nlohmann::json;

namespace {

using berth::tests::contains;

// The record of a soak with a seed of the test's own.
Json soak(std::vector<std::string> arguments, int status) {
  const TemporaryFolder folder;
  const std::string file = folder.path("soak.json");
  arguments.insert(arguments.begin(), "soak");
  arguments.insert(arguments.end(), {"--seed", std::to_string(berth::tests::seed()), "--json", file});
  const Outcome result = run_sample_host(arguments);
  INFO(result.out << result.err);
  REQUIRE(result.status == status);
  return Json::parse(std::ifstream(file));
}

bool has_fault(const Json& record, const std::string& part) {
  for (const Json& fault : record["faults"]) {
    if (contains(fault, part)) return true;
  }
  return false;
}

}  // namespace

TEST_CASE("run works the plugins that there are, and everything goes back") {
  const Outcome outcome = run_sample_host({"run", "--json", "--threads", "3", "--rounds", "2"});
  INFO(outcome.out << outcome.err);
  REQUIRE(outcome.status == 0);
  const Json report = Json::parse(outcome.out);
  CHECK(report["verdict"]["everything_went_back"] == true);
  CHECK(report["ledger"]["reserved_bytes"] == 0);
  CHECK(report["errors"].empty());
  REQUIRE(report["plugins"].size() == 2);
  std::size_t span_bytes = 0;
  for (const Json& plugin : report["plugins"]) {
    CHECK(plugin["calls"] > 0);
    CHECK(plugin["failed_calls"] == 0);
    span_bytes += plugin["span_bytes"].get<std::size_t>();
  }
  CHECK(report["plugins"][0]["name"] == "index");
  CHECK(report["plugins"][0]["blocks_left"] == 0);
  CHECK(report["plugins"][1]["name"] == "leaky");
  CHECK(report["plugins"][1]["blocks_left"] == report["plugins"][1]["units"]);
  // From outside: the spans were there, and are not any more.
  CHECK(report["verdict"]["taken_bytes"] == span_bytes);
  CHECK(report["process"]["after"]["address_space_bytes"].get<std::size_t>() < span_bytes);
}

TEST_CASE("the user's own plugin runs on the user's own file") {
  const TemporaryFolder folder;
  const std::string file = folder.write("poem.txt", "one ship\ntwo berths\nthree ships\n");
  const Outcome outcome = run_sample_host({"run", OWN_PLUGIN, "--input", file, "--argument", "ship"});
  INFO(outcome.out << outcome.err);
  CHECK(outcome.status == 0);
  CHECK(contains(outcome.out, "2 lines contain \"ship\""));
  CHECK(contains(outcome.out, "1 of 1 instance destroyed"));
}

TEST_CASE("what is left behind is found, whether Berth knows of it or not") {
  const Outcome instance = run_sample_host({"run", "--threads", "2", "--leak-one"});
  INFO(instance.out << instance.err);
  CHECK(instance.status == 1);
  CHECK(contains(instance.out, "1 instance was not destroyed"));
  const Outcome mapping = run_sample_host({"run", "--threads", "2", "--leak-one", "mapping"});
  INFO(mapping.out << mapping.err);
  CHECK(mapping.status == 1);
  CHECK(contains(mapping.out, "256 MiB in 1 map entry of anonymous memory remain"));
}

TEST_CASE("what is no plugin is named, and the rest is done") {
  const Outcome outcome = run_sample_host({"run", PLAIN_MODULE, OWN_PLUGIN});
  INFO(outcome.out << outcome.err);
  CHECK(outcome.status == 2);
  CHECK(contains(outcome.err, "plain_module.dll"));
  CHECK(contains(outcome.out, "line counter"));
}

TEST_CASE("a short soak passes, and everything has happened in it that can") {
  const Json record = soak({"--cycles", "100", "--threads", "3"}, 0);
  INFO(record.dump(2));
  CHECK(record["passed"] == true);
  CHECK(record["counts"]["unloads"] == 100);
  for (const auto& [name, count] : record["counts"].items()) {
    INFO(name);
    if (name != "zombies" && name != "reaps" && name != "refused_signal_handler") CHECK(count > 0);
  }
  CHECK(record["before"]["ledger_instances"] == 0);
  CHECK(record["after"]["ledger_instances"] == 0);
}

TEST_CASE("what is kept fails the soak") {
  const Json instance = soak({"--cycles", "20", "--leak-one", "instance"}, 1);
  CHECK(has_fault(instance, "the ledger's instances: 0 before, 1 after"));
  const Json mapping = soak({"--cycles", "20", "--leak-one", "mapping"}, 1);
  CHECK(has_fault(mapping, "address space: "));
}
