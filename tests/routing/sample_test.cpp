// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// berth run --sample: for each way to allocate, the report names the function of a module that forgot the block.
#include <string>

#include "routing/run_support.hpp"
#include "support/catch.hpp"

namespace {

using namespace routing_test;

const std::string kHost = BERTH_ROUTED_HOST;

// Blocks of the stacks that have the function among their first frames.
int blocks_of(const Json& plugin, const std::string& function) {
  int blocks = 0;
  for (const Json& stack : plugin["stacks"]) {
    const Json& frames = stack["frames"];
    for (std::size_t i = 0; i < frames.size() && i < 4; ++i) {
      if (frames[i].get<std::string>().find(function) == std::string::npos) continue;
      blocks += stack["blocks"].get<int>();
      break;
    }
  }
  return blocks;
}

// "by_malloc" as a compiler writes it: unlike "by_malloc" within a longer name.
std::string mangled(const std::string& function) { return std::to_string(function.size()) + function; }

constexpr const char* kWays[] = {"by_malloc", "by_calloc", "by_realloc",   "by_aligned_alloc", "by_posix_memalign",
                                 "by_strdup", "by_new",    "by_array_new", "by_aligned_new"};

}  // namespace

TEST_CASE("what a module forgets, keeps or holds is told by the function that allocated it") {
  for (const char* release : {"always", "unreferenced", "never"}) {
    for (const char* hardening : {"fast", "guarded"}) {
      const Run run = routing_test::run(std::string("--sample 1 --release ") + release + " --hardening " + hardening,
                                        kHost + " exit 3 " BERTH_FORGETS);
      CHECK(run.outcome.status == 7);
      const Json& forgets = plugin(run.report, "forgets");
      INFO(forgets.dump(1));
      CHECK(forgets["forgotten_blocks"].get<int>() + forgets["kept_blocks"].get<int>() == 27);
      std::size_t bytes = 0;
      for (const Json& stack : forgets["stacks"]) bytes += stack["bytes"].get<std::size_t>();
      CHECK(bytes == forgets["forgotten_bytes"].get<std::size_t>() + forgets["kept_bytes"].get<std::size_t>());
      for (const char* way : kWays) {
        INFO(way);
        CHECK(blocks_of(forgets, mangled(way)) == 3);
      }
      CHECK(run.outcome.errors.find("by_aligned_new") != std::string::npos);
    }
  }
}

TEST_CASE("without --sample there are no stacks, and sizes that are none are refused") {
  const Run run = routing_test::run("", kHost + " exit 1 " BERTH_FORGETS);
  CHECK_FALSE(plugin(run.report, "forgets").contains("stacks"));
  const Outcome wrong = shell(kBerth + " run --sample many -- " + kHost + " exit 1 " BERTH_FORGETS);
  CHECK(wrong.status == 125);
  CHECK(wrong.errors.find("--sample many") != std::string::npos);
}

TEST_CASE("a forked child tells of its own stacks, however the host ends") {
  for (const char* end : {"_exit", "quick_exit", "fork"}) {
    const Run run = routing_test::run("--sample 1", kHost + " " + end + " 2 " BERTH_FORGETS);
    INFO(end);
    if (std::string(end) != "fork") {
      CHECK(blocks_of(plugin(run.report, "forgets"), mangled("by_calloc")) == 2);
    }
  }
}
