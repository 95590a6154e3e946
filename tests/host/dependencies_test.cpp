// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// The libraries that a plugin brings into the process: which they are, that they leave with it, and what the report
// says of those that do not.
#include <dlfcn.h>
#include <semaphore.h>

#include <algorithm>
#include <csignal>
#include <vector>

#include "host_fixtures.hpp"
#include "support/catch.hpp"

using namespace berth::tests;
using Outcome = berth::UnloadReport::Outcome;

namespace {

std::vector<std::string> names(const std::vector<std::filesystem::path>& paths) {
  std::vector<std::string> names;
  for (const std::filesystem::path& path : paths) names.push_back(path.filename().string());
  std::sort(names.begin(), names.end());
  return names;
}

using Names = std::vector<std::string>;

}  // namespace

TEST_CASE("a plugin's private libraries are listed and leave with it", "[dependencies]") {
  berth::Host host;
  const berth::Plugin plain = host.load(fixture("plain"));
  CHECK(plain.dependencies().empty());

  berth::Plugin plugin = host.load(fixture("chain_top"));
  CHECK(plugin.symbol<int()>("chain_top")() == 3);
  CHECK(names(plugin.dependencies()) == Names{"chain_end.so", "chain_middle.so"});
  CHECK(is_mapped("chain_middle"));
  const berth::UnloadReport report = host.unload(std::move(plugin));
  CHECK(report.outcome == Outcome::Destroyed);
  REQUIRE(report.dependencies.size() == 2);
  for (const berth::DependencyReport& library : report.dependencies) {
    CHECK(library.why == berth::Cause::None);
    CHECK(library.cause.empty());
  }
  CHECK(report.dependencies[0].path == fixture("chain_middle"));
  CHECK(report.dependencies[1].path == fixture("chain_end"));
  CHECK_FALSE(is_mapped("chain_middle"));
  CHECK_FALSE(is_mapped("chain_end"));

  berth::Error error;
  CHECK(plugin.dependencies(error).empty());  // NOLINT(bugprone-use-after-move): it is empty, and says so
  CHECK(error.status() == BERTH_ERR_INVALID_ARGUMENT);
}

TEST_CASE("a library that was there before is nobody's, one that another plugin came to need is shared",
          "[dependencies]") {
  berth::Host host;
  berth::Plugin end = host.load(fixture("chain_end"));
  berth::Plugin first = host.load(fixture("chain_top"));
  CHECK(names(first.dependencies()) == Names{"chain_middle.so"});

  berth::LoadOptions options;
  options.private_copy = true;
  options.name = "second";
  berth::Plugin second = host.load(fixture("chain_top"), options);
  CHECK(first.dependencies().empty());
  CHECK(second.dependencies().empty());

  const berth::UnloadReport report = host.unload(std::move(first));
  CHECK(report.outcome == Outcome::Destroyed);
  REQUIRE(report.dependencies.size() == 1);
  CHECK(report.dependencies[0].path == fixture("chain_middle"));
  CHECK(report.dependencies[0].why == berth::Cause::NeededBy);
  CAPTURE(report.dependencies[0].cause);
  CHECK(contains(report.dependencies[0].cause, "(plugin \"second\")"));
  CHECK(second.symbol<int()>("chain_top")() == 3);

  CHECK(host.unload(std::move(second)).dependencies.empty());
  CHECK_FALSE(is_mapped("chain_middle"));
  CHECK(is_mapped("chain_end"));
  CHECK(host.unload(std::move(end)).outcome == Outcome::Destroyed);
}

TEST_CASE("a library that somebody else has opened stays, and the report says so", "[dependencies]") {
  berth::Host host;
  berth::Plugin plugin = host.load(fixture("chain_top"));
  void* handle = ::dlopen(fixture("chain_end").c_str(), RTLD_NOW);
  REQUIRE(handle != nullptr);
  const berth::UnloadReport report = host.unload(std::move(plugin));
  CHECK(report.outcome == Outcome::Destroyed);
  REQUIRE(report.dependencies.size() == 2);
  CHECK(report.dependencies[0].why == berth::Cause::None);
  CHECK(report.dependencies[1].path == fixture("chain_end"));
  CHECK(report.dependencies[1].why == berth::Cause::OtherReference);
  CHECK(contains(report.dependencies[1].cause, "open reference"));

  berth_unload_report plain{};
  plain.struct_size = sizeof(plain);
  REQUIRE(report.copy_to(&plain) == BERTH_OK);
  CHECK(plain.dependencies == 2);
  CHECK(plain.dependencies_mapped == 1);
  CHECK(std::string(plain.dependency_text) == fixture("chain_end").string() + ": " + report.dependencies[1].cause);
  ::dlclose(handle);
  CHECK_FALSE(is_mapped("chain_end"));
}

TEST_CASE("an adopted module has its libraries too", "[dependencies]") {
  berth::Host host;
  void* handle = ::dlopen(fixture("chain_top").c_str(), RTLD_NOW);
  REQUIRE(handle != nullptr);
  berth::Plugin plugin = host.adopt(handle);
  CHECK(names(plugin.dependencies()) == Names{"chain_end.so", "chain_middle.so"});
  CHECK(host.unload(std::move(plugin)).dependencies.size() == 2);
  CHECK_FALSE(is_mapped("chain_end"));
}

TEST_CASE("a zombie's libraries stay because of it, and leave with it", "[dependencies]") {
  berth::Host host;
  berth::Plugin plugin = host.load(fixture("chain_top"));
  void* handle = ::dlopen(fixture("chain_top").c_str(), RTLD_NOW);
  const berth::UnloadReport report = host.unload(std::move(plugin));
  CHECK(report.outcome == Outcome::Zombie);
  CHECK(report.why == berth::Cause::OtherReference);
  REQUIRE(report.dependencies.size() == 2);
  CHECK(report.dependencies[0].why == berth::Cause::NeededBy);
  CHECK(contains(report.dependencies[0].cause, "chain_top.so"));
  ::dlclose(handle);
  const std::vector<berth::UnloadReport> reports = host.reap();
  REQUIRE(reports.size() == 1);
  REQUIRE(reports[0].dependencies.size() == 2);
  CHECK(reports[0].dependencies[0].why == berth::Cause::None);
}

TEST_CASE("who is inside a private library is inside the plugin, until another module keeps it", "[dependencies]") {
  berth::Host host;
  berth::Plugin plugin = host.load(fixture("lingers_through"));
  sem_t stop;
  REQUIRE(::sem_init(&stop, 0, 0) == 0);
  REQUIRE(plugin.symbol<bool(sem_t*)>("lingers_start_thread")(&stop));
  berth::Error error;
  const auto refused = [&](berth::Cause why) {
    const berth::UnloadReport report = host.unload(std::move(plugin), error);
    CAPTURE(error.text());
    CHECK(report.outcome == Outcome::Refused);
    CHECK(error.status() == BERTH_ERR_BUSY);
    CHECK(error.why() == why);
    CHECK(contains(error.text(), "lingers_library.so"));
    return static_cast<bool>(plugin);
  };
  REQUIRE(refused(berth::Cause::ThreadInside));
  ::sem_post(&stop);
  plugin.symbol<void()>("lingers_join_thread")();
  ::sem_destroy(&stop);

  const auto previous = std::signal(SIGUSR2, SIG_DFL);
  plugin.symbol<void(int)>("lingers_handle")(SIGUSR2);
  REQUIRE(refused(berth::Cause::SignalHandler));

  berth::LoadOptions options;
  options.private_copy = true;
  berth::Plugin second = host.load(fixture("lingers_through"), options);
  CHECK(host.unload(std::move(plugin)).outcome == Outcome::Destroyed);  // the library stays
  std::raise(SIGUSR2);
  std::signal(SIGUSR2, previous);
  CHECK(host.unload(std::move(second)).outcome == Outcome::Destroyed);
}
