// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Modules that stay mapped after they were closed: their instance is kept, the cause is named, and reap() destroys it
// once the module has left. Each pinned fixture is used once, since it stays for the life of the process.
#include <dlfcn.h>

#include <condition_variable>
#include <cstring>
#include <mutex>
#include <thread>

#include "host_fixtures.hpp"
#include "support/catch.hpp"

using namespace berth::tests;
using Outcome = berth::UnloadReport::Outcome;

namespace {

// What every zombie must show: the instance alive, the file BUSY, nothing for reap() while the cause lasts.
void check_zombie(berth::Host& host, const berth::UnloadReport& report, const std::string& name, berth::Cause why,
                  const std::string& cause) {
  CAPTURE(report.cause);
  CHECK(report.outcome == Outcome::Zombie);
  CHECK(report.status == BERTH_ERR_STILL_MAPPED);
  CHECK(report.why == why);
  CHECK(contains(report.cause, cause));
  CHECK(report.returned_bytes == 0);
  CHECK(is_mapped(name));
  CHECK(host.zombies() == 1);
  CHECK(host.reap().empty());
  CHECK(host.zombies() == 1);
  berth::Error error;
  CHECK_FALSE(host.load(fixture(name), {}, error));
  CHECK(error.status() == BERTH_ERR_BUSY);
}

struct LogLines {
  std::string text;
  LogLines() {
    berth_set_log([](void* context, const char* line) { static_cast<LogLines*>(context)->text += line; }, this);
  }
  ~LogLines() { berth_set_log(nullptr, nullptr); }
};

}  // namespace

TEST_CASE("a NODELETE module is a zombie for ever, and outlives its Host") {
  const berth_process_statistics before = ledger();
  LogLines log;
  char* block = nullptr;
  {
    berth::Host host;
    berth::Plugin plugin = host.load(fixture("nodelete"));
    block = static_cast<char*>(plugin.symbol<void*(std::size_t)>("minimal_allocate")(100));
    std::strcpy(block, "still here");
    const berth::UnloadReport report = host.unload(std::move(plugin));
    check_zombie(host, report, "nodelete", berth::Cause::NoDelete, "DF_1_NODELETE");
    CHECK(report.live_blocks == 1);
  }
  CHECK(ledger().instances == before.instances + 1);
  CHECK(std::string(block) == "still here");
  CHECK(contains(log.text, "minimal"));
  CHECK(contains(log.text, "DF_1_NODELETE"));
}

TEST_CASE("a pinned module that refuses to attach keeps its instance too") {
  const berth_process_statistics before = ledger();
  LogLines log;
  berth::Host host;
  berth::Error error;
  CHECK_FALSE(host.load(fixture("nodelete_refuses"), {}, error));
  CHECK(error.status() == BERTH_ERR_PLUGIN);
  CHECK(contains(error.text(), "returned 7"));
  CHECK(contains(error.text(), "DF_1_NODELETE"));
  CHECK(ledger().instances == before.instances + 1);
  CHECK(host.zombies() == 1);
}

TEST_CASE("a GNU_UNIQUE symbol is found and named") {
  LogLines log;
  berth::Host host;
  check_zombie(host, host.unload(host.load(fixture("gnu_unique"))), "gnu_unique", berth::Cause::UniqueSymbols,
               "berth_fixture_unique");
}

TEST_CASE("a thread_local destructor keeps the module until its thread ends") {
  berth::Host host;
  const berth_process_statistics before = ledger();
  berth::Plugin plugin = host.load(fixture("thread_local_user"));
  auto use = plugin.import <void*()>("thread_local_use");

  std::mutex mutex;
  std::condition_variable changed;
  bool used = false;
  bool may_end = false;
  std::thread user([&] {
    use();
    use.reset();
    std::unique_lock lock(mutex);
    used = true;
    changed.notify_all();
    changed.wait(lock, [&] { return may_end; });
  });
  {
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return used; });
  }
  const berth::UnloadReport report = host.unload(std::move(plugin));
  check_zombie(host, report, "thread_local_user", berth::Cause::ThreadLocal, "thread_local");
  CHECK(report.live_blocks == 1);
  {
    const std::lock_guard lock(mutex);
    may_end = true;
    changed.notify_all();
  }
  user.join();

  const std::vector<berth::UnloadReport> reports = host.reap();
  REQUIRE(reports.size() == 1);
  CHECK(reports[0].outcome == Outcome::Destroyed);
  CHECK(reports[0].live_blocks == 0);
  CHECK(reports[0].plugin == "thread_local_user");
  CHECK_FALSE(is_mapped("thread_local_user"));
  CHECK(same(ledger(), before));
  CHECK(host.load(fixture("thread_local_user")));
}

TEST_CASE("somebody else's open reference keeps the module until it is closed") {
  berth::Host host;
  const berth_process_statistics before = ledger();
  berth::Plugin plugin = host.load(fixture("minimal"));
  void* handle = ::dlopen(fixture("minimal").c_str(), RTLD_NOW);
  REQUIRE(handle != nullptr);
  check_zombie(host, host.unload(std::move(plugin)), "minimal", berth::Cause::OtherReference, "another open reference");
  ::dlclose(handle);
  CHECK(host.reap().size() == 1);
  CHECK_FALSE(is_mapped("minimal"));
  CHECK(same(ledger(), before));
}

TEST_CASE("a dependency that allocates from the instance keeps it, though the plugin itself has left") {
  berth::Host host;
  const berth_process_statistics before = ledger();
  berth::Plugin plugin = host.load(fixture("dependent"));
  CHECK(plugin.symbol<std::size_t()>("dependent_words")() == 1);
  CHECK(plugin.symbol<int()>("dependency_attached")() == 0);
  CHECK(statistics_of(plugin.instance()).live_blocks > 0);
  void* dependency = ::dlopen(fixture("dependency").c_str(), RTLD_NOW);
  REQUIRE(dependency != nullptr);

  const berth::UnloadReport report = host.unload(std::move(plugin));
  CHECK(report.outcome == Outcome::Zombie);
  CHECK(contains(report.cause, "dependency.so"));
  CHECK(report.live_blocks > 0);
  REQUIRE(report.dependencies.size() == 1);
  CHECK(report.dependencies[0].why == berth::Cause::OtherReference);
  CHECK_FALSE(is_mapped("dependent"));
  CHECK(host.reap().empty());

  ::dlclose(dependency);
  const std::vector<berth::UnloadReport> reports = host.reap();
  REQUIRE(reports.size() == 1);
  CHECK(reports[0].live_blocks == 0);
  REQUIRE(reports[0].dependencies.size() == 1);
  CHECK(reports[0].dependencies[0].why == berth::Cause::None);
  CHECK(same(ledger(), before));
}

TEST_CASE("a module that another one needs names it") {
  berth::Host host;
  const berth_process_statistics before = ledger();
  berth::Plugin plugin = host.load(fixture("dependency"));
  void* user = ::dlopen(fixture("dependent").c_str(), RTLD_NOW);
  REQUIRE(user != nullptr);
  check_zombie(host, host.unload(std::move(plugin)), "dependency", berth::Cause::NeededBy, "dependent.so");
  ::dlclose(user);
  CHECK(host.reap().size() == 1);
  CHECK(same(ledger(), before));
}

TEST_CASE("a plugin that another one needs names that plugin") {
  berth::Host host;
  const berth_process_statistics before = ledger();
  berth::Plugin needed = host.load(fixture("dependency"));
  berth::LoadOptions options;
  options.name = "its user";
  berth::Plugin user = host.load(fixture("dependent"), options);
  check_zombie(host, host.unload(std::move(needed)), "dependency", berth::Cause::NeededBy,
               "dependent.so (plugin \"its user\")");
  CHECK(host.unload(std::move(user)).outcome == Outcome::Destroyed);
  CHECK(host.reap().size() == 1);
  CHECK(same(ledger(), before));
}

TEST_CASE("a Plugin that is destroyed after its Host is still unloaded, or kept") {
  const berth_process_statistics before = ledger();
  berth::Plugin plugin;
  {
    berth::Host host;
    plugin = host.load(fixture("minimal"));
  }
  CHECK(plugin.symbol<int(int, int)>("minimal_add")(1, 2) == 3);
  plugin = {};
  CHECK_FALSE(is_mapped("minimal"));
  CHECK(same(ledger(), before));
}
