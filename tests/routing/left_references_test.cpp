// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// berth run --check-references: what leads into a module that is gone is told with its place and its target, whatever
// it is; and a plugin that leaves nothing is never suspected.
#include <string>

#include "routing/run_support.hpp"

namespace {

using namespace routing_test;

Run leave(const std::string& options, const std::string& what, int times = 1) {
  std::string command = BERTH_REGISTERING_HOST " " + what;
  for (int time = 0; time < times; ++time) command += " " BERTH_REGISTERING;
  const Run run = routing_test::run(options, command);
  CHECK(run.outcome.status == 0);
  CHECK(run.outcome.output == "done\n");
  return run;
}

std::string in_words(const Json& plugin) {
  std::string all;
  for (const Json& one : plugin["references"]) {
    all += one["kind"].get<std::string>() + " | " + one["name"].get<std::string>() + " | " +
           one["target"].get<std::string>() + "\n";
  }
  return all;
}

}  // namespace

TEST_CASE("nobody looks where it was not asked for, and the report says so") {
  const Run run = leave("", "callback");
  CHECK(plugin(run.report, "registering")["references"].is_null());
  CHECK(run.outcome.errors.find("still pointed into") == std::string::npos);
}

TEST_CASE("each kind of what is left is told by its place and what it leads to") {
  const struct {
    const char* what;
    const char* words;
  } cases[] = {{"callback", "module | the program: at_event+0x18 | registering: on_event\n"},
               {"timer", "heap | the C library's heap | registering: on_time\n"},
               {"object", "instance | plugin registering | registering: _ZTV5Shape+0x10\n"}};
  for (const auto& [what, words] : cases) {
    INFO(what);
    const Run run = leave("--check-references --max-pause 60000", what);
    const Json& registering = plugin(run.report, "registering");
    CHECK(in_words(registering) == words);
    CHECK(registering["references_looked"] == 1);
    CHECK(registering["references_not_looked"] == 0);
    CHECK_THAT(run.outcome.errors, Catch::Contains("registering is gone, and still pointed into by "));
    CHECK_THAT(run.outcome.errors, Catch::Contains("was looked for"));
  }
}

TEST_CASE("who leaves nothing, or takes it back, is not suspected") {
  for (const char* what : {"nothing", "back"}) {
    INFO(what);
    const Run run = leave("--check-references", what, 20);
    const Json& registering = plugin(run.report, "registering");
    CHECK(registering["unloads"] == 20);
    CHECK(registering["references_looked"] == 20);
    CHECK(in_words(registering).empty());
    CHECK(run.outcome.errors.find("still pointed into") == std::string::npos);
  }
}

TEST_CASE("what is left again and again is told once") {
  const Run run = leave("--check-references", "callback", 5);
  CHECK(in_words(plugin(run.report, "registering")) == "module | the program: at_event+0x18 | registering: on_event\n");
}
