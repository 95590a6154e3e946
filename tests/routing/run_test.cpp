// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// berth run with small hosts and modules of our own: what it counts, gives back, keeps and says, and that the host's
// output and status are its own.
#include <string>

#include "routing/run_support.hpp"
#include "support/catch.hpp"

namespace {

using namespace routing_test;

const std::string kHost = BERTH_ROUTED_HOST;

Run run_host(const std::string& options, const std::string& arguments) {
  return routing_test::run(options, kHost + " " + arguments);
}

}  // namespace

TEST_CASE("what a module leaves behind is kept where it was asked for, and named with its numbers") {
  const Run run = run_host("--release never", "exit 3 " BERTH_LEAKY);
  CHECK(run.outcome.status == 7);
  CHECK(run.outcome.output == "done\n");
  CHECK(run.outcome.errors.find("leaky") != std::string::npos);
  CHECK(run.report["routing"] == "on");
  const Json& leaky = plugin(run.report, "leaky");
  CHECK(leaky["loads"] == 3);
  CHECK(leaky["unloads"] == 3);
  CHECK(leaky["metering"] == "whole");
  CHECK(leaky["kept_blocks"] == 24);
  CHECK(leaky["kept_bytes"].get<std::size_t>() >= 24 * 100u);
  CHECK(leaky["forgotten_blocks"] == 0);
  CHECK(leaky["live_blocks"] == 0);
}

TEST_CASE("what a module leaves behind is forgotten where nobody points to it") {
  for (const char* release : {"always", "unreferenced"}) {
    const Run run = run_host(std::string("--release ") + release, "exit 3 " BERTH_LEAKY);
    CHECK(run.outcome.status == 7);
    const Json& leaky = plugin(run.report, "leaky");
    CHECK(leaky["forgotten_blocks"] == 24);
    CHECK(leaky["kept_blocks"] == 0);
  }
}

TEST_CASE("a C++ module that frees everything leaves nothing, whoever allocated for it") {
  for (const char* hardening : {"fast", "checked"}) {
    const Run run = run_host(std::string("--hardening ") + hardening, "exit 10 " BERTH_CLEAN);
    CHECK(run.outcome.status == 7);
    const Json& clean = plugin(run.report, "clean");
    CHECK(clean["unloads"] == 10);
    CHECK(clean["allocations"].get<int>() > 10 * 30);
    CHECK(clean["kept_blocks"] == 0);
    CHECK(clean["misuses"] == 0);
  }
}

TEST_CASE("where there is nothing to meter it is said") {
  const Run run = run_host("", "exit 1 " BERTH_ONLY_FREES);
  const Json& silent = plugin(run.report, "only_frees");
  CHECK(silent["metering"] == "not");
  CHECK(silent["metering_text"] == "imports no allocator, only free");
}

TEST_CASE("every end of a process is reported, and its status is its own") {
  for (const char* end : {"exit", "_exit", "quick_exit", "abort"}) {
    INFO(end);
    const std::string arguments = std::string(end) + " 2 " BERTH_LEAKY;
    const Outcome alone = shell(kHost + " " + arguments);
    const Run run = run_host("", arguments);
    CHECK(run.outcome.status == alone.status);
    CHECK(run.outcome.output == alone.output);
    CHECK(plugin(run.report, "leaky")["unloads"] == 2);
  }
}

TEST_CASE("a forked child has a report of its own") {
  const Run run = run_host("", "fork 2 " BERTH_LEAKY);
  CHECK(run.report["plugins"].empty());
  int children = 0;
  for (const auto& entry : fs::directory_iterator(scratch())) {
    const std::string name = entry.path().filename().string();
    if (name.rfind("report.json.", 0) != 0) continue;
    ++children;
    CHECK(plugin(Json::parse(contents(entry.path())), "leaky")["unloads"] == 2);
  }
  CHECK(children == 1);
}

TEST_CASE("a quota refuses what is over it, and the host goes on") {
  const Run run = run_host("--quota 1M", "exit 3 " BERTH_CLEAN);
  CHECK(run.outcome.status == 7);
}

TEST_CASE("a leak may end a program that was well with a status of its own") {
  CHECK(shell(kBerth + " run --quiet --fail-on-leak -- /bin/true").status == 0);
  CHECK(run_host("--fail-on-leak", "exit 1 " BERTH_LEAKY).outcome.status == 7);
  const Run leaked = run_host("--fail-on-leak", "well 2 " BERTH_LEAKY);
  CHECK(leaked.outcome.status == 1);
  const auto bytes = plugin(leaked.report, "leaky")["forgotten_bytes"].get<std::uint64_t>();
  CHECK(leaked.outcome.errors.find(std::to_string(bytes) + " bytes that leaky left behind") != std::string::npos);
  CHECK(run_host("--fail-on-leak=" + std::to_string(bytes), "well 2 " BERTH_LEAKY).outcome.status == 0);
  CHECK(run_host("--fail-on-leak=" + std::to_string(bytes - 1), "well 2 " BERTH_LEAKY).outcome.status == 1);
  CHECK(run_host("", "well 2 " BERTH_LEAKY).outcome.status == 0);
}

TEST_CASE("leaks that are known do not fail, and others do") {
  const std::string file = (scratch() / "known").string();
  const auto status_with = [&](const std::string& text, std::string* errors = nullptr) {
    std::ofstream(file) << text;
    const Outcome outcome =
        run_host("--fail-on-leak --known-leaks " + file, "well 2 " BERTH_LEAKY " " BERTH_CLEAN).outcome;
    if (errors != nullptr) *errors = outcome.errors;
    return outcome.status;
  };
  CHECK(status_with("# nothing\n\n") == 1);
  CHECK(status_with("clean.so\n") == 1);
  CHECK(status_with("clean*\n  leaky.so  # for ever\n") == 0);
  CHECK(status_with("leaky") == 0);
  CHECK(status_with("*/lea[jk]y.so\n") == 0);
  CHECK(status_with("#leaky\n") == 1);
  std::string errors;
  CHECK(status_with("leaky.so work*\n", &errors) == 0);
  CHECK(errors.find("functions are not compared") != std::string::npos);
  // By function, where samples tell them.
  const auto status_sampled = [&](const std::string& text) {
    std::ofstream(file) << text;
    return run_host("--sample 1 --fail-on-leak --known-leaks " + file, "well 2 " BERTH_LEAKY " " BERTH_CLEAN)
        .outcome.status;
  };
  CHECK(status_sampled("leaky.so work\n") == 0);
  CHECK(status_sampled("leaky.so w?r*\n") == 0);
  CHECK(status_sampled("leaky.so construct\n") == 1);
  CHECK(status_sampled("leaky.so wor\n") == 1);
  CHECK(status_sampled("clean.so work\n") == 1);
  CHECK(status_sampled("leaky.so construct\nleaky.so\n") == 0);
  // By itself it means that others fail.
  std::ofstream(file) << "other\n";
  CHECK(run_host("--known-leaks " + file, "well 1 " BERTH_LEAKY).outcome.status == 1);

  for (const std::string& bad : {std::string("leaky work more\n"), std::string("le\0aky\n", 7)}) {
    std::ofstream(file) << bad;
    CHECK(shell(kBerth + " run --known-leaks " + file + " -- true").status == 125);
  }
  CHECK(shell(kBerth + " run --known-leaks " + (scratch() / "nobody").string() + " -- true").status == 125);
  CHECK(shell(kBerth + " run --known-leaks " + scratch().string() + " -- true").status == 125);
}

TEST_CASE("modules may be chosen") {
  const Run run = run_host("--only 'clean*'", "exit 1 " BERTH_LEAKY " " BERTH_CLEAN);
  CHECK(plugin(run.report, "clean")["allocations"].get<int>() > 0);
  CHECK(run.report["plugins"].size() == 1);
  bool told = false;
  for (const Json& one : run.report["not_routed"]) told |= one["name"] == "leaky" && !one["metering_text"].empty();
  CHECK(told);
}

TEST_CASE("wrong usage and what cannot be started have their status") {
  CHECK(shell(kBerth + " run -- " + (scratch() / "nobody").string()).status == 127);
  CHECK(shell(kBerth + " run").status == 125);
  CHECK(shell(kBerth + " run --release sometimes -- true").status == 125);
  CHECK(shell(kBerth + " run --sample often -- true").status == 125);
  CHECK(shell(kBerth + " run --quota little -- true").status == 125);
  CHECK(shell(kBerth + " run --help").status == 0);
}

TEST_CASE("a program without plugins is left alone") {
  const Outcome outcome = shell(kBerth + " run -- /bin/sh -c 'echo hi; exit 5'");
  CHECK(outcome.status == 5);
  CHECK(outcome.output == "hi\n");
  CHECK(outcome.errors.empty());
}

TEST_CASE("a block that is freed by a function that was looked up by name goes home") {
  const Run run = routing_test::run("", std::string(BERTH_LOOKING_HOST) + " " BERTH_GIVING);
  CHECK(run.outcome.status == 0);
  CHECK(run.outcome.output == "done\n");
  const Json& giving = plugin(run.report, "giving");
  CHECK(giving["allocations"].get<int>() >= 3);
  CHECK(giving["live_blocks"] == 0);
  CHECK(giving["forgotten_blocks"] == 0);
}

TEST_CASE("what scanf allocates is the caller's") {
  const std::string command = std::string(BERTH_ROUTED_HOST) + " well 2 " BERTH_SCANNING;
  const Outcome alone = shell(command);
  CHECK(alone.output.find("4 one two 10 xyz wide\n") == 0);
  const Run run = routing_test::run("", command);
  CHECK(run.outcome.status == 0);
  CHECK(run.outcome.output == alone.output);
  const Json& scanning = plugin(run.report, "scanning");
  CHECK(scanning["allocations"] == 2 * 10);
  CHECK(scanning["forgotten_blocks"] == 0);
  CHECK(scanning["misuses"] == 0);
}

TEST_CASE("a module finds the next free by name, and a folder's entries are its own") {
  const Run run = run_host("", "exit 2 " BERTH_GIVING);
  CHECK(run.outcome.status == 7);
  const Json& giving = plugin(run.report, "giving");
  CHECK(giving["metering"] == "whole");
  CHECK(giving["allocations"].get<int>() > 10);
  CHECK(giving["forgotten_blocks"] == 0);
}
