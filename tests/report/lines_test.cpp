// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// berth report names file and line, for each way to allocate, and says why where it cannot.
#include <fstream>
#include <string>

#include "report/report_support.hpp"
#include "support/catch.hpp"
#include "support/texts.hpp"

namespace {

using namespace routing_test;
using berth::tests::contains;

// Where the call of a function is written: the line that has both texts, or that is the first one after `function`.
int line_with(const std::string& source, const std::string& function, const std::string& call) {
  std::ifstream stream(source);
  bool inside = false;
  int number = 0;
  for (std::string line; std::getline(stream, line);) {
    ++number;
    inside |= contains(line, "void " + function + "(");
    if (inside && contains(line, call)) return number;
  }
  FAIL("no " << call << " in " << function << " of " << source);
  return 0;
}

std::string brief(const char* source, const std::string& function, const std::string& call) {
  std::string text = fs::path(source).filename().string();
  text += ':';
  text += std::to_string(line_with(source, function, call));
  return text;
}

struct Way {
  const char* function;
  const char* call;
};

// A run of a copy of the module, so that it can be replaced.
std::string run_with(const fs::path& module) {
  const Run run =
      routing_test::run("--sample 1 --release always", std::string(BERTH_ROUTED_HOST) + " exit 2 " + module.string());
  REQUIRE(run.outcome.status == 7);
  return (scratch() / "report.json").string();
}

fs::path copy_of(const char* module) {
  const fs::path copy = scratch() / "forgets.so";
  fs::remove(copy);
  fs::copy_file(module, copy);
  return copy;
}

}  // namespace

TEST_CASE("for each way to allocate, text and page name the line that forgot the block") {
  const std::string json = run_with(copy_of(BERTH_FORGETS));
  const std::string text = report(json).output;
  const std::string page = page_of(json);
  INFO(text);
  for (const Way& way : {Way{"by_malloc", "malloc(1000)"}, Way{"by_calloc", "calloc(20"}, Way{"by_realloc", "realloc("},
                         Way{"by_aligned_alloc", "aligned_alloc("}, Way{"by_posix_memalign", "posix_memalign(&"},
                         Way{"by_strdup", "strdup("}, Way{"by_new", "new int"}, Way{"by_array_new", "new char"},
                         Way{"by_aligned_new", "operator new"}}) {
    std::string line = way.function;
    line += "()+0x";
    const std::string place = brief(BERTH_FORGETS_SOURCE, way.function, way.call);
    INFO(line << " " << place);
    CHECK(contains(text, line));
    CHECK(contains(text, place));
    CHECK(contains(page, place));
  }
  // With its folder where there is room for it; a compiler's cache may have seen the tree elsewhere.
  CHECK(contains(page, "/tests/routing/forgets.cpp:"));
  CHECK_FALSE(contains(text, "lines of code: "));
}

TEST_CASE("the calls of a handle are named in a host's snapshot") {
  const std::string json = (scratch() / "snapshot.json").string();
  REQUIRE(shell(std::string(BERTH_LINES_HOST) + " " + json).status == 0);
  const Json snapshot = Json::parse(contents(json));
  std::size_t bytes = 0;
  for (const Json& stack : snapshot["plugins"][0]["stacks"]) bytes += stack["live_bytes"].get<std::size_t>();
  CHECK(bytes == snapshot["plugins"][0]["live_bytes"]);
  const std::string text = report(json).output;
  const std::string page = page_of(json);
  INFO(text);
  for (const char* way : {"by_malloc", "by_calloc", "by_realloc", "by_aligned"}) {
    const std::string place = brief(BERTH_LINES_SOURCE, way, std::string("line of ") + way);
    INFO(way << place);
    CHECK(contains(text, std::string(way) + "+0x"));
    CHECK(contains(text, place));
    CHECK(contains(page, place));
  }
  CHECK(contains(page, "<h4>What lives: "));
  CHECK(contains(page, "<h4>At the peak: "));
  CHECK(contains(page, "A snapshot knows of no load that has ended."));
}

TEST_CASE("a file that is another one by now, or is gone, gives no lines, and that is said") {
  const fs::path module = copy_of(BERTH_FORGETS);
  const std::string json = run_with(module);
  REQUIRE(contains(report(json).output, "(forgets.cpp:"));
  fs::remove(module);
  fs::copy_file(BERTH_OTHER_MODULE, module);
  std::string text = report(json).output;
  CHECK_FALSE(contains(text, "(forgets.cpp:"));
  CHECK(contains(text, "forgets.so was built again since"));
  CHECK(contains(page_of(json), "forgets.so was built again since"));
  std::ofstream(module) << "no ELF";
  CHECK(contains(report(json).output, "forgets.so "));
  CHECK_FALSE(contains(report(json).output, "(forgets.cpp:"));
  fs::remove(module);
  REQUIRE(shell("mkfifo " + module.string()).status == 0);
  CHECK(contains(report(json).output, "forgets.so is not there any more"));
  fs::remove(module);
  text = report(json).output;
  CHECK(contains(text, "forgets.so is not there any more"));
  CHECK(contains(text, "by_calloc()+0x"));
}

TEST_CASE("without debug information that is said") {
  if (shell("command -v strip").status != 0) return;
  const fs::path module = copy_of(BERTH_FORGETS);
  REQUIRE(shell("strip --strip-debug " + module.string()).status == 0);
  const std::string text = report(run_with(module)).output;
  INFO(text);
  CHECK(contains(text, "forgets.so was built without -g"));
  CHECK(contains(text, "by_calloc()+0x"));
}

TEST_CASE("a run's stacks are apart by what was forgotten, what lives and the peak, and by loads") {
  const std::string json = run_with(copy_of(BERTH_FORGETS));
  const Json written = Json::parse(contents(json));
  const Json& forgets = plugin(written, "forgets");
  std::size_t forgotten = 0;
  std::size_t peak = 0;
  for (const Json& stack : forgets["stacks"]) {
    CHECK(stack["bytes"] == stack["forgotten_bytes"].get<std::size_t>() + stack["live_bytes"].get<std::size_t>());
    forgotten += stack["forgotten_bytes"].get<std::size_t>();
    peak += stack["peak_bytes"].get<std::size_t>();
  }
  CHECK(forgotten == forgets["forgotten_bytes"]);
  CHECK(peak == forgets["peak_bytes"]);
  REQUIRE(forgets["cycles"].size() == 2);
  for (const Json& cycle : forgets["cycles"]) {
    std::size_t left = 0;
    std::size_t most = 0;
    for (const Json& entry : cycle["stacks"]) {
      REQUIRE(entry[0].get<std::size_t>() < forgets["stacks"].size());
      left += entry[1].get<std::size_t>();
      most += entry[2].get<std::size_t>();
    }
    CHECK(left == cycle["left_bytes"]);
    CHECK(most == cycle["peak_bytes"]);
  }
  const std::string page = page_of(json);
  CHECK(contains(page, "Nothing lived at the end."));
  CHECK(contains(page, "<h4>At the peak: "));
  CHECK(contains(page, "<h4>What was forgotten: "));
  CHECK(contains(page, "<summary>Load 2: "));
}

TEST_CASE("stacks of hostile JSON name no file and break nothing") {
  const Json stack = {{"bytes", 10},
                      {"blocks", 1},
                      {"frames", {"one+0x1", "<two>", 3}},
                      {"modules", {{{"path", "/dev/zero"}, {"build_id", "zz/.."}}, 7, {{"path", "relative"}}}},
                      {"addresses", {{0, 1}, {1, 1}, {2, 5}, {9, 9}, {-1, 4}, "x"}}};
  const Json cycle = {{"loaded_ms", 1}, {"stacks", {{99, 5, 5}, {nullptr, 1, 2}, "x", {0, 10, 1}}}};
  const Json hostile = {{"berth", "0.1.0"},
                        {"plugins", {{{"name", "odd"}, {"stacks", {stack}}, {"cycles", {cycle}}, {"allocations", 1}}}}};
  const std::string json = (scratch() / "hostile.json").string();
  std::ofstream(json) << hostile.dump();
  const std::string page = page_of(json);
  CHECK(contains(page, "&lt;two&gt;"));
  CHECK_FALSE(contains(page, "<two>"));
}
