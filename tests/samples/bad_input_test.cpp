// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// `sample_host run` with plugins and files that cannot be used: each is named with its cause, the rest is done, and the
// exit status is 2.
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "program.hpp"
#include "support/catch.hpp"

using Json = nlohmann::json;

namespace {

// Runs with something bad and something good (a text for the index), and expects the good to have been done.
std::string errors_of(std::vector<std::string> arguments) {
  static const TemporaryFolder folder;
  const std::string text = folder.write("good.txt", "one two three");
  arguments.insert(arguments.begin(), "run");
  arguments.insert(arguments.end(), {"--json", "--index", text});
  const Outcome outcome = run_sample_host(arguments);
  INFO(outcome.out << outcome.err);
  REQUIRE(outcome.status == 2);
  const Json report = Json::parse(outcome.out);
  CHECK(report["verdict"]["everything_went_back"] == true);
  CHECK(report["ledger"]["instances"] == 0);
  CHECK(report["plugins"].back()["name"] == "index");
  CHECK(report["plugins"].back()["units"] == 3);
  CHECK_FALSE(report["errors"].empty());
  return outcome.err;
}

void check_names(const std::string& errors, const std::vector<std::string>& parts) {
  INFO(errors);
  for (const std::string& part : parts) {
    INFO(part);
    CHECK(errors.find(part) != std::string::npos);
  }
}

}  // namespace

TEST_CASE("plugins that are none") {
  const TemporaryFolder folder;
  check_names(errors_of({"/nowhere/missing.so"}), {"missing.so"});
  check_names(errors_of({folder.write("text.so", "no module at all\n")}), {"text.so"});
  check_names(errors_of({PLAIN_MODULE}), {"plain_module.so", "berth_plugin"});
  check_names(errors_of({WORKLESS_PLUGIN}), {"workless", "work.h"});
}

TEST_CASE("a plugin that offends is named, and the host goes on") {
  const TemporaryFolder folder;
  const std::string input = folder.write("input.txt", "x");
  check_names(errors_of({OFFENDING_PLUGIN, "--input", input}), {"offending"});
}

TEST_CASE("SQLite that is in use already refuses a second plugin") {
  const TemporaryFolder folder;
  const std::string second = folder.path("second.so");
  std::filesystem::copy_file(SQLITE_PLUGIN, second);
  const std::string csv = folder.write("table.csv", "a,b\n1,2\n");
  const Outcome outcome =
      run_sample_host({"run", SQLITE_PLUGIN, second, "--input", csv, "--argument", "SELECT a + b FROM data", "--json"});
  INFO(outcome.out << outcome.err);
  CHECK(outcome.status == 2);
  check_names(outcome.err, {"second.so", "already initialised"});
  const Json report = Json::parse(outcome.out);
  CHECK(report["plugins"][0]["results"][0]["text"] == "a + b\n3\n");
  CHECK(report["plugins"][1]["loaded"] == false);
  CHECK(report["verdict"]["everything_went_back"] == true);
}

TEST_CASE("files that are missing") {
  const TemporaryFolder folder;
  const std::string missing = folder.path("missing");
  for (const char* option : {"--lua", "--csv", "--xml"}) {
    check_names(errors_of({option, missing}), {missing + ": No such file or directory"});
  }
  check_names(errors_of({OWN_PLUGIN, "--input", missing}), {missing + ": No such file or directory"});
}

TEST_CASE("a Lua script that does not compile, raises, or wants more memory than it gets") {
  const TemporaryFolder folder;
  const std::string text = folder.write("text.txt", "text");
  const auto errors = [&](const std::string& script) {
    return errors_of({"--lua", folder.write("bad.lua", script), "--text", text});
  };
  check_names(errors("print('x'\nend"), {"lua: ", "text.txt", "bad.lua:2:"});
  check_names(errors("local t = nil\nreturn t.field"), {"lua: ", "bad.lua:2: attempt to index a nil value"});
  check_names(errors("error({})"), {"lua: ", "not a text"});
  check_names(errors("return string.rep('x', 1 << 60)"), {"lua: "});
  check_names(errors("return io.open('/etc/passwd'):read('a')"), {"lua: ", "'io'"});
}

TEST_CASE("a document that is no XML") {
  const TemporaryFolder folder;
  check_names(errors_of({"--xml", folder.write("bad.xml", "<a>\n<b></a>\n")}),
              {"expat: ", "bad.xml: line 2, column ", "mismatched tag"});
  check_names(errors_of({"--xml", folder.write("empty.xml", "")}),
              {"expat: ", "empty.xml: line 1", "no element found"});
}

TEST_CASE("tables and queries that make no sense") {
  const TemporaryFolder folder;
  const std::string good = folder.write("good.csv", "a,b\n1,2\n");
  const std::string wide = folder.write("wide.csv", "a,b\n1,2\n1,2,3\n");
  const std::string open = folder.write("open.csv", "a,b\n1,2\n\"x,2\n");
  const std::string twice = folder.write("twice.csv", "a,a\n1,2\n");
  check_names(errors_of({"--csv", good, "--sql", "SELECT 1", "--sql", "SELEKT"}),
              {"sqlite: ", "good.csv: query 2", "SELEKT"});
  check_names(errors_of({"--csv", good, "--sql", "SELECT c FROM data"}), {"sqlite: ", "query 1: no such column: c"});
  check_names(errors_of({"--csv", wide}), {"sqlite: ", "wide.csv: line 3: more fields"});
  check_names(errors_of({"--csv", open}), {"sqlite: ", "open.csv: line 3: a quoted field has no end"});
  check_names(errors_of({"--csv", twice}), {"sqlite: ", "twice.csv: line 1: duplicate column name: a"});
  check_names(errors_of({"--csv", folder.write("empty.csv", "")}), {"sqlite: ", "there is no header line"});
  check_names(errors_of({"--sql", "SELECT 1"}), {"sqlite: ", "--csv"});
}

TEST_CASE("a command line that is wrong") {
  for (const std::vector<std::string>& arguments : std::vector<std::vector<std::string>>{
           {}, {"walk"}, {"run", "--no-such-option"}, {"run", "--threads", "0"}, {"run", "--rounds", "many"}}) {
    const Outcome outcome = run_sample_host(arguments);
    INFO(outcome.out << outcome.err);
    CHECK(outcome.status == 2);
    CHECK_FALSE(outcome.err.empty());
  }
}
