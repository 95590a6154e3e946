// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// A plugin's static objects may call the host while the loader is at work on that plugin, and the host may load and
// unload others then. The loader puts the closing of those off until it is done with the first.
#include <dlfcn.h>

#include <cstdlib>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "host_fixtures.hpp"
#include "support/catch.hpp"
#include "support/sanitizers.hpp"

using namespace berth::tests;
using Outcome = berth::UnloadReport::Outcome;

namespace {

using CallsAtEnd = void(void (*)(void*), void*);

void run(void* function) { (*static_cast<std::function<void()>*>(function))(); }

void check_put_off(const berth::UnloadReport& report) {
  CAPTURE(report.cause);
  CHECK(report.outcome == Outcome::Zombie);
  CHECK(report.why == berth::Cause::PutOff);
  CHECK(std::string(berth::cause_name(report.why)) == "put-off");
  CHECK(contains(report.cause, "closing another module"));
}

void check_reaped(berth::Host& host, std::size_t count, const berth_process_statistics& before) {
  CHECK(host.zombies() == count);
  const std::vector<berth::UnloadReport> reports = host.reap();
  CHECK(reports.size() == count);
  for (const berth::UnloadReport& report : reports) CHECK(report.outcome == Outcome::Destroyed);
  CHECK(host.zombies() == 0);
  CHECK(same(ledger(), before));
}

}  // namespace

TEST_CASE("an unload from a static destructor of another plugin is put off, and finished by a reap") {
  berth::Host host;
  const berth_process_statistics before = ledger();
  // The second: it has thread_local objects, whose cause would be another one.
  for (const char* name : {"minimal", "thread_local_user", "standard_library", "chain_top"}) {
    CAPTURE(name);
    berth::Plugin other = host.load(fixture(name));
    berth::Plugin plugin = host.load(fixture("calls_from_statics"));
    berth::UnloadReport inner;
    std::function<void()> unload = [&] { inner = host.unload(std::move(other)); };
    plugin.symbol<CallsAtEnd>("calls_at_end")(&run, &unload);
    CHECK(host.unload(std::move(plugin)).outcome == Outcome::Destroyed);
    check_put_off(inner);
    CHECK_FALSE(is_mapped(name));
    check_reaped(host, 1, before);
  }
}

TEST_CASE("the same while the host closes a module of its own") {
  berth::Host host;
  const berth_process_statistics before = ledger();
  berth::Plugin other = host.load(fixture("minimal"));
  void* const module = ::dlopen(fixture("calls_from_statics").c_str(), RTLD_NOW);
  REQUIRE(module != nullptr);
  berth::UnloadReport inner;
  std::function<void()> unload = [&] { inner = host.unload(std::move(other)); };
  reinterpret_cast<CallsAtEnd*>(::dlsym(module, "calls_at_end"))(&run, &unload);
  ::dlclose(module);
  check_put_off(inner);
  check_reaped(host, 1, before);
}

TEST_CASE("the same one in the other: each destructor unloads the next plugin") {
#if defined(__clang__)
  constexpr bool kOpen = true;  // words of earlier calls stay in gaps of its frames, by how it lays them out
#else
  constexpr bool kOpen = berth::tests::kSanitized;
#endif
  if (kOpen) {
    WARN("the frames between the destructors leave open whose they are, and then an unload is refused: not tested");
    return;
  }
  berth::Host host;
  const berth_process_statistics before = ledger();
  constexpr std::size_t kPlugins = 5;
  std::vector<berth::Plugin> plugins;
  std::vector<berth::UnloadReport> inner(kPlugins);
  std::vector<std::function<void()>> unloads(kPlugins);
  for (std::size_t i = 0; i < kPlugins; ++i) plugins.push_back(host.load(fixture("calls_from_statics"), copied()));
  for (std::size_t i = 0; i + 1 < kPlugins; ++i) {
    unloads[i] = [&, i] { inner[i] = host.unload(std::move(plugins[i + 1])); };
    plugins[i].symbol<CallsAtEnd>("calls_at_end")(&run, &unloads[i]);
  }
  CHECK(host.unload(std::move(plugins[0])).outcome == Outcome::Destroyed);
  for (std::size_t i = 0; i + 1 < kPlugins; ++i) check_put_off(inner[i]);
  CHECK_FALSE(is_mapped("calls_from_statics"));
  check_reaped(host, kPlugins - 1, before);
}

TEST_CASE("a Plugin that ends, a refused load and a reap in a static destructor are put off alike") {
  berth::Host host;
  const berth_process_statistics before = ledger();
  berth::Plugin plugin = host.load(fixture("calls_from_statics"));
  berth::Error error;
  std::vector<berth::UnloadReport> reaped;
  std::function<void()> act = [&] {
    { const berth::Plugin ends = host.load(fixture("minimal")); }
    static_cast<void>(host.load(fixture("attach_fails"), {}, error));
    reaped = host.reap();
  };
  plugin.symbol<CallsAtEnd>("calls_at_end")(&run, &act);
  CHECK(host.unload(std::move(plugin)).outcome == Outcome::Destroyed);
  CAPTURE(error.text());
  CHECK(error.status() == BERTH_ERR_PLUGIN);
  CHECK(error.why() == berth::Cause::PutOff);
  CHECK(contains(error.text(), "returned 7"));
  CHECK(contains(error.text(), "closing another module"));
  CHECK(reaped.empty());
  check_reaped(host, 2, before);
}

TEST_CASE("a load in a static destructor lasts") {
  berth::Host host;
  const berth_process_statistics before = ledger();
  berth::Plugin plugin = host.load(fixture("calls_from_statics"));
  berth::Plugin other;
  std::function<void()> load = [&] { other = host.load(fixture("minimal")); };
  plugin.symbol<CallsAtEnd>("calls_at_end")(&run, &load);
  CHECK(host.unload(std::move(plugin)).outcome == Outcome::Destroyed);
  REQUIRE(other);
  CHECK(is_mapped("minimal"));
  CHECK(host.unload(std::move(other)).outcome == Outcome::Destroyed);
  CHECK(same(ledger(), before));
}

TEST_CASE("a static constructor may load and unload others") {
  static berth::Host host;
  const berth_process_statistics before = ledger();
  static berth::UnloadReport inner;
  const auto act = +[](const char*) { inner = host.unload(host.load(fixture("minimal"))); };
  ::setenv("BERTH_FIXTURE_CALLBACK", std::to_string(reinterpret_cast<std::uintptr_t>(act)).c_str(), 1);
  berth::Plugin plugin = host.load(fixture("calls_from_statics"));
  ::unsetenv("BERTH_FIXTURE_CALLBACK");
  CAPTURE(inner.cause);
  CHECK(inner.outcome == Outcome::Destroyed);
  CHECK(host.unload(std::move(plugin)).outcome == Outcome::Destroyed);
  CHECK(same(ledger(), before));
}

TEST_CASE("a reference of somebody else's is called that, whatever was closed before") {
  berth::Host host;
  const berth_process_statistics before = ledger();
  berth::Plugin plugin = host.load(fixture("minimal"));
  void* const module = ::dlopen(fixture("minimal").c_str(), RTLD_NOW);
  CHECK(host.unload(std::move(plugin)).why == berth::Cause::OtherReference);
  ::dlclose(module);
  check_reaped(host, 1, before);
}
