// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// What an unload does with blocks that live on, under berth run: who points to them keeps them, and is named; what
// nobody points to any more goes, at once or at the next look.
#include "routing/run_support.hpp"

namespace {

using namespace routing_test;

Run take(const std::string& options, const std::string& place, const std::string& then) {
  // As long as it takes: where threads could not be held in time everything is kept, as on a machine that is busy.
  return run("--max-pause 60000 " + options,
             BERTH_TAKING_HOST " " + place + " " + then + " " BERTH_GIVER " " BERTH_OTHER_GIVER);
}

std::string kept_by(const Json& plugin) {
  std::string all;
  for (const Json& name : plugin["kept_by"]) all += (all.empty() ? "" : ", ") + name.get<std::string>();
  return all;
}

}  // namespace

TEST_CASE("what nobody points to goes at the unload, and is told as forgotten") {
  const Run run = take("", "nowhere", "leave");
  CHECK(run.outcome.output == "gone\n");
  const Json& giver = plugin(run.report, "giver");
  CHECK(giver["forgotten_blocks"] == 2);
  CHECK(giver["forgotten_bytes"].get<int>() >= 4096 + 64);
  CHECK(giver["kept_blocks"] == 0);
  CHECK(giver["kept_by"].empty());
}

TEST_CASE("what the host was handed lives, is freed by it, and then all goes") {
  for (const char* place : {"global", "interior", "heap", "thread"}) {
    INFO(place);
    const Run run = take("", place, "free");
    CHECK(run.outcome.output == "there whole gone\n");
    const Json& giver = plugin(run.report, "giver");
    // Freed later it has left kept; its neighbour was kept with it, and nobody points to that.
    CHECK(giver["forgotten_blocks"] == 1);
    CHECK(giver["kept_blocks"] == 0);
  }
}

TEST_CASE("each kind of holder is told by its name") {
  const struct {
    const char* place;
    const char* name;
  } cases[] = {{"global", "the program: registry+0x18"}, {"thread", " (audio)"},
               {"heap", "the C library's heap"},         {"setvbuf", "the C library's heap"},
               {"putenv", "the C library's heap"},       {"tsearch", "the C library's heap"},
               {"plugin", "plugin other_giver"}};
  for (const auto& [place, name] : cases) {
    INFO(place);
    const Run run = take("", place, "leave");
    CHECK(run.outcome.output == "there whole\n");
    const Json& giver = plugin(run.report, "giver");
    CHECK_THAT(kept_by(giver), Catch::Contains(name));
    CHECK(giver["kept_blocks"] == 2);
    CHECK(giver["forgotten_blocks"] == 0);
    CHECK_THAT(run.outcome.errors, Catch::Contains("kept by"));
  }
}

TEST_CASE("what a thread's key or shared memory holds is kept") {
  for (const char* place : {"key", "shared"}) {
    INFO(place);
    const Run run = take("", place, "leave");
    CHECK(run.outcome.output == "there whole\n");
    CHECK_FALSE(plugin(run.report, "giver")["kept_by"].empty());
  }
}

TEST_CASE("a later unload looks again at what was kept") {
  const Run run = take("", "global", "drop");
  CHECK(run.outcome.output == "there whole gone\n");
  const Json& giver = plugin(run.report, "giver");
  CHECK(giver["forgotten_blocks"] == 2);
  CHECK(giver["kept_blocks"] == 0);
}

TEST_CASE("two plugins that only point at each other both go") {
  const Run run = take("", "plugin", "drop");
  CHECK(run.outcome.output == "there whole gone\n");
  CHECK(plugin(run.report, "giver")["forgotten_blocks"] == 2);
  CHECK(plugin(run.report, "other_giver")["forgotten_blocks"] == 1);
}

TEST_CASE("never keeps everything, always keeps nothing") {
  const Run never = take("--release never", "nowhere", "leave");
  CHECK(never.outcome.output == "there whole\n");
  CHECK(kept_by(plugin(never.report, "giver")) == "--release never");
  CHECK(plugin(never.report, "giver")["kept_blocks"] == 2);
  const Run always = take("--release always", "global", "leave");
  CHECK(always.outcome.output == "gone\n");
  CHECK(plugin(always.report, "giver")["forgotten_blocks"] == 2);
}
