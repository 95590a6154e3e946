// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// `sample_host soak` from end to end: a short one passes and has seen everything, and each thing that can go wrong with
// one is found.
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "program.hpp"
#include "sanitizer.hpp"
#include "support/catch.hpp"
#include "support/seed.hpp"
#include "support/texts.hpp"

using Json = nlohmann::json;

namespace {

using berth::tests::contains;

// Its arguments are "soak", these, a seed of the test's own, and a file for the record, which is returned.
Json soak(std::vector<std::string> arguments, int status, Outcome* outcome = nullptr) {
  static const std::string seed = std::to_string(berth::tests::seed());
  const TemporaryFolder folder;
  const std::string file = folder.path("soak.json");
  arguments.insert(arguments.begin(), "soak");
  arguments.insert(arguments.end(), {"--seed", seed, "--json", file});
  const Outcome result = run_sample_host(arguments);
  INFO(result.out << result.err);
  REQUIRE(result.status == status);
  CHECK(contains(result.err, "Seed " + seed));
  if (outcome != nullptr) *outcome = result;
  return Json::parse(std::ifstream(file));
}

bool has_fault(const Json& record, const std::string& part) {
  for (const Json& fault : record["faults"]) {
    if (contains(fault, part)) return true;
  }
  return false;
}

}  // namespace

TEST_CASE("a short soak passes, and everything has happened in it") {
  Outcome outcome;
  const Json record = soak({"--cycles", "400", "--threads", "4"}, 0, &outcome);
  INFO(record.dump(2));
  CHECK(record["passed"] == true);
  CHECK(record["faults"].empty());
  CHECK(contains(outcome.out, "SOAK PASSED: 400 unloads"));
  CHECK(record["counts"]["unloads"] == 400);
  for (const auto& [name, count] : record["counts"].items()) {
    INFO(name);
    CHECK(count > 0);
  }
  CHECK(record["counts"]["zombies"] == record["counts"]["reaps"]);
  CHECK(record["never_leave"] == 2);
  CHECK(contains(outcome.out, "index is metered: whole"));
  CHECK(contains(outcome.out, "leaky is metered: "));
  CHECK(record["metering"].size() == record["plugins"].size() - 1);  // one is refused
  for (const Json& plugin : record["metering"]) {
    INFO(plugin.dump());
    CHECK((plugin["metering"] == "whole") == (plugin["metering_text"] == ""));
  }
  CHECK(record["before"]["ledger_instances"] == 2);
  CHECK(record["after"]["ledger_instances"] == 2);
}

TEST_CASE("a soak of named plugins is asked for no more than these can do") {
  const Json record = soak({"--cycles", "400", "--threads", "2", "--plugins", "index", OWN_PLUGIN}, 0);
  CHECK(record["plugins"] == Json({"index", "own_plugin.so"}));
  CHECK(record["counts"]["zombies"] == 0);
  CHECK(record["before"]["ledger_reservations"] == 0);
  CHECK(record["after"]["ledger_reservations"] == 0);
}

TEST_CASE("an instance that is kept fails the soak") {
  Outcome outcome;
  const Json record = soak({"--cycles", "50", "--leak-one"}, 1, &outcome);
  INFO(record.dump(2));
  CHECK(record["passed"] == false);
  CHECK(has_fault(record, "the ledger's instances: 2 before, 3 after"));
  CHECK(contains(outcome.out, "SOAK FAILED"));
}

TEST_CASE("address space that no ledger knows fails the soak") {
  if (sample_host::kWithSanitizer) {
    WARN("a sanitizer maps memory as it likes, so that a soak does not judge it: not tested");
    return;
  }
  const Json record = soak({"--cycles", "50", "--leak-one", "mapping"}, 1);
  CHECK(has_fault(record, "address space: "));
}

TEST_CASE("what a soak has not seen fails it") {
  // One cycle is one story: of two plugins that misbehave it can have seen one only.
  const Json record = soak({"--cycles", "1", "--plugins", "throws_from_work", "keeps_thread_local"}, 1);
  CHECK(has_fault(record, "never seen: zombies"));
}

TEST_CASE("a plugin that offends fails the soak, with the seed and the last events") {
  Outcome outcome;
  const Json record = soak({"--cycles", "20", "--plugins", OFFENDING_PLUGIN}, 1, &outcome);
  CHECK(has_fault(record, "unexpected misuse: "));
  CHECK(has_fault(record, "offending"));
  CHECK(contains(outcome.err, "The last events of worker 0"));
  CHECK(contains(outcome.err, "work in offending_plugin.so"));
  CHECK(contains(outcome.out, "--seed "));
}

TEST_CASE("a deadlock ends the soak, with the seed and the last events") {
  const Outcome outcome =
      run_sample_host({"soak", "--plugins", HANGING_PLUGIN, "--patience", "1", "--seed", "7", "--threads", "2"});
  INFO(outcome.out << outcome.err);
  CHECK(outcome.status == 1);
  CHECK(contains(outcome.err, "No progress for 1 s; seed 7"));
  CHECK(contains(outcome.err, "work in hanging_plugin.so"));
}

TEST_CASE("plugins that cannot be soaked are refused") {
  const auto refused = [](const std::vector<std::string>& arguments, const std::string& part) {
    const Outcome outcome = run_sample_host(arguments);
    INFO(outcome.out << outcome.err);
    CHECK(outcome.status == 2);
    CHECK(contains(outcome.err, part));
  };
  refused({"soak", "--plugins", "no_such_plugin"}, "no_such_plugin");
  refused({"soak", "--plugins", "nodelete,throws_from_attach"}, "none of these");
  refused({"soak", "--cycles", "5", "--json", "/nowhere/soak.json"}, "/nowhere/soak.json");
  refused({"soak", "--cycles", "0"}, "--cycles");
}
