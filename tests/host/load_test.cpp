// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Loading, symbols, holds and unloading of plugins that behave.
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

#include "host_fixtures.hpp"
#include "support/catch.hpp"

using namespace berth::tests;
using namespace std::chrono_literals;
using Outcome = berth::UnloadReport::Outcome;

TEST_CASE("a plugin is loaded with an instance of its own, used, and leaves with it") {
  berth::Host host;
  const berth_process_statistics before = ledger();
  berth::LoadOptions options;
  int user_data = 0;
  options.user_data = &user_data;
  berth::Plugin plugin = host.load(fixture("minimal"), options);

  CHECK(plugin.name() == "minimal");
  CHECK(plugin.path() == fixture("minimal"));
  CHECK(ledger().instances == before.instances + 1);
  CHECK(berth_instance_user_data(plugin.instance()) == &user_data);
  CHECK(berth_find_owner(plugin.allocator()) == plugin.instance());
  CHECK(berth_current_allocator() == nullptr);

  CHECK(plugin.symbol<int(int, int)>("minimal_add")(2, 3) == 5);
  CHECK(plugin.symbol<int (*)(int, int)>("minimal_add")(2, 3) == 5);
  CHECK(*plugin.symbol<int>("minimal_value") == 42);
  CHECK_THROWS_AS(plugin.symbol<int>("no_such_symbol"), berth::Error);
  berth::Error error;
  CHECK(plugin.symbol<int>("no_such_symbol", error) == nullptr);
  CHECK(error.status() == BERTH_ERR_NOT_FOUND);
  CHECK(contains(error.text(), "no_such_symbol"));
  CHECK(error.plugin() == "minimal");
  CHECK(plugin.symbol<int>("minimal_value", error) != nullptr);
  CHECK_FALSE(error);

  auto allocate = plugin.import <void*(std::size_t)>("minimal_allocate");
  void* kept = allocate(1000);
  CHECK(berth_find_owner(kept) == plugin.instance());
  allocate.reset();

  const berth::UnloadReport report = host.unload(std::move(plugin));
  CHECK_FALSE(plugin);  // NOLINT(bugprone-use-after-move): a Plugin is empty after it was unloaded
  CHECK(report.outcome == Outcome::Destroyed);
  CHECK(report.status == BERTH_OK);
  CHECK(report.plugin == "minimal");
  CHECK(report.cause.empty());
  CHECK(report.live_blocks == 1);
  CHECK(report.live_bytes >= 1000);
  CHECK(report.returned_bytes > 0);
  CHECK(report.time_taken > 0ns);
  CHECK_FALSE(is_mapped("minimal"));
  CHECK(same(ledger(), before));
}

TEST_CASE("a module that knows nothing of Berth is a plugin too") {
  berth::Host host;
  berth::Plugin plugin = host.load(fixture("plain"));
  CHECK(plugin.name() == "plain");
  CHECK(plugin.import <int()>("plain_answer")() == 42);
  CHECK(host.unload(std::move(plugin)).live_blocks == 0);
}

TEST_CASE("the name given wins over the plugin's own") {
  berth::Host host;
  berth::LoadOptions options;
  options.name = "mine";
  const berth::Plugin plugin = host.load(fixture("minimal"), options);
  CHECK(plugin.name() == "mine");
  CHECK(std::string(berth_instance_name(plugin.instance())) == "mine");
}

TEST_CASE("without a name given, the instance has the plugin's own") {
  berth::Host host;
  const berth::Plugin plugin = host.load(fixture("newer_info"));
  CHECK(plugin.name() == "newer");
  CHECK(std::string(berth_instance_name(plugin.instance())) == "newer");
}

TEST_CASE("a relative path means the current folder, whatever becomes of it") {
  berth::Host host;
  const std::filesystem::path here = std::filesystem::current_path();
  std::filesystem::current_path(BERTH_FIXTURES);
  berth::Plugin plugin = host.load(std::string("minimal") + kModuleSuffix);
  std::filesystem::current_path(here);
  CHECK(plugin.path() == fixture("minimal"));
  berth::Error error;
  CHECK_FALSE(host.load(fixture("minimal"), {}, error));
  CHECK(error.status() == BERTH_ERR_BUSY);
  CHECK(host.unload(std::move(plugin)).outcome == Outcome::Destroyed);
}

TEST_CASE("the same file a second time is BUSY, by any path and any Host") {
  berth::Host host;
  berth::Host other;
  const std::filesystem::path link = fixture("link_to_minimal");
  std::filesystem::remove(link);
  std::filesystem::create_hard_link(fixture("minimal"), link);
  berth::Plugin plugin = host.load(fixture("minimal"));
  const berth_process_statistics loaded = ledger();
  berth::Error error;
  for (berth::Host* second : {&host, &other}) {
    for (const std::filesystem::path& path : {fixture("minimal"), link}) {
      CHECK_FALSE(second->load(path, {}, error));
      CHECK(error.status() == BERTH_ERR_BUSY);
      CHECK(contains(error.text(), path.string()));
    }
  }
  CHECK(same(ledger(), loaded));
  host.unload(std::move(plugin));
  std::filesystem::remove(link);  // not all systems let go of a name while the file is mapped
}

TEST_CASE("a module that somebody else has open is BUSY") {
  berth::Host host;
  const berth_process_statistics before = ledger();
  void* handle = open_elsewhere(fixture("minimal"));
  REQUIRE(handle != nullptr);
  berth::Error error;
  CHECK_FALSE(host.load(fixture("minimal"), {}, error));
  CHECK(error.status() == BERTH_ERR_BUSY);
  CHECK(same(ledger(), before));
  close_elsewhere(handle);
  CHECK_FALSE(is_mapped("minimal"));
  CHECK(host.load(fixture("minimal")));
}

TEST_CASE("imports and leases hold the plugin") {
  berth::Host host;
  berth::Plugin plugin = host.load(fixture("minimal"));
  auto add = plugin.import <int(int, int)>("minimal_add");
  auto copy = add;
  berth::Lease lease = plugin.lease();
  berth::Error error;

  const auto refused = [&] {
    const berth::UnloadReport report = host.unload(std::move(plugin), error);
    return error.status() == BERTH_ERR_BUSY && report.outcome == Outcome::Refused && plugin;
  };
  CHECK(refused());
  add.reset();
  CHECK(refused());
  CHECK(copy(1, 1) == 2);
  copy = {};
  CHECK(refused());
  CHECK_THROWS_AS(host.unload(std::move(plugin)), berth::Error);
  lease.reset();
  CHECK(host.unload(std::move(plugin), error).outcome == Outcome::Destroyed);
  CHECK_FALSE(error);
}

TEST_CASE("unload waits for the last hold, and no longer than it was told") {
  berth::Host host;
  berth::Plugin plugin = host.load(fixture("minimal"));
  berth::Lease lease = plugin.lease();
  berth::Error error;
  const auto start = std::chrono::steady_clock::now();
  CHECK(host.unload(std::move(plugin), 20ms, error).outcome == Outcome::Refused);
  CHECK(error.status() == BERTH_ERR_TIMEOUT);
  CHECK(std::chrono::steady_clock::now() - start >= 20ms);
  CHECK(plugin);
  CHECK(host.unload(std::move(plugin), -1ms, error).outcome == Outcome::Refused);
  CHECK(error.status() == BERTH_ERR_TIMEOUT);
  CHECK(plugin.lease());  // nobody waits any more

  std::thread holder([held = std::move(lease)]() mutable { held.reset(); });
  const berth::UnloadReport report = host.unload(std::move(plugin), std::chrono::milliseconds::max(), error);
  CHECK(report.outcome == Outcome::Destroyed);
  holder.join();
}

TEST_CASE("while an unload waits, nobody new comes in") {
  berth::Host host;
  berth::Plugin plugin = host.load(fixture("minimal"));
  auto add = plugin.import <int(int, int)>("minimal_add");
  std::thread unloading([&] {
    berth::Error error;
    CHECK(host.unload(std::move(plugin), 10min, error).outcome == Outcome::Destroyed);
  });
  while (plugin.lease()) std::this_thread::yield();
  berth::Error error;
  CHECK_FALSE(plugin.import <int(int, int)>("minimal_add", error));
  CHECK(error.status() == BERTH_ERR_BUSY);
  CHECK(contains(error.text(), "minimal"));
  CHECK(contains(error.text(), "it is being unloaded"));
  CHECK(add(1, 2) == 3);
  add.reset();
  unloading.join();
}

TEST_CASE("a Plugin that is destroyed is unloaded; one that is held is left to the Host") {
  berth::Host host;
  const berth_process_statistics before = ledger();
  { const berth::Plugin plugin = host.load(fixture("minimal")); }
  CHECK(same(ledger(), before));
  CHECK(host.zombies() == 0);

  berth::Lease lease;
  {
    const berth::Plugin plugin = host.load(fixture("minimal"));
    lease = plugin.lease();
  }
  CHECK(host.zombies() == 1);
  CHECK(is_mapped("minimal"));
  CHECK(host.reap().empty());
  lease.reset();
  const std::vector<berth::UnloadReport> reports = host.reap();
  REQUIRE(reports.size() == 1);
  CHECK(reports[0].plugin == "minimal");
  CHECK(reports[0].outcome == Outcome::Destroyed);
  CHECK(host.zombies() == 0);
  CHECK_FALSE(is_mapped("minimal"));
  CHECK(same(ledger(), before));

  berth::Plugin plugin = host.load(fixture("minimal"));
  plugin = host.load(fixture("plain"));
  CHECK_FALSE(is_mapped("minimal"));
  CHECK(is_mapped("plain"));
}

namespace {

// What the plugin's calls back from attach and detach do.
struct CallBack {
  berth::Host* host;
  berth::Plugin* plugin;
  std::vector<std::string> moments;
  std::vector<berth_status> statuses;
};
CallBack* call_back = nullptr;

void called_back(const char* moment) {
  call_back->moments.emplace_back(moment);
  berth::Error error;
  call_back->host->load(fixture("calls_back"), {}, error);
  call_back->statuses.push_back(error.status());
  if (call_back->plugin == nullptr) return;
  call_back->host->unload(std::move(*call_back->plugin), error);
  call_back->statuses.push_back(error.status());
  call_back->host->unload(std::move(*call_back->plugin), 1h, error);
  call_back->statuses.push_back(error.status());
  call_back->plugin->import <void()>("berth_detach", error);
  call_back->statuses.push_back(error.status());
  call_back->statuses.push_back(call_back->plugin->lease() ? BERTH_OK : BERTH_ERR_BUSY);
}

}  // namespace

TEST_CASE("calls from inside the plugin's own attach and detach answer BUSY") {
  berth::Host host;
  const berth_process_statistics before = ledger();
  CallBack record{&host, nullptr, {}, {}};
  call_back = &record;
  set_variable("BERTH_FIXTURE_CALLBACK", std::to_string(reinterpret_cast<std::uintptr_t>(&called_back)).c_str());
  berth::Plugin plugin = host.load(fixture("calls_back"));
  record.plugin = &plugin;
  CHECK(host.unload(std::move(plugin)).outcome == Outcome::Destroyed);
  set_variable("BERTH_FIXTURE_CALLBACK", nullptr);
  CHECK(record.moments == std::vector<std::string>{"attach", "detach"});
  CHECK(record.statuses == std::vector<berth_status>(6, BERTH_ERR_BUSY));
  CHECK(same(ledger(), before));
}

TEST_CASE("an exception from detach is reported and the unload goes on") {
  berth::Host host;
  const berth_process_statistics before = ledger();
  const berth::UnloadReport report = host.unload(host.load(fixture("detach_throws")));
  CHECK(report.outcome == Outcome::Destroyed);
  CHECK(contains(report.detach_error, "type int"));
  CHECK(same(ledger(), before));
}

TEST_CASE("many threads load, use and unload the same few files") {
  berth::Host host;
  const berth_process_statistics before = ledger();
  std::atomic<int> loads = 0;
  std::atomic<int> wrong = 0;
  std::vector<std::thread> threads;
  for (int thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&, thread] {
      const char* const names[] = {"minimal", "plain", "calls_back"};
      for (int turn = 0; turn < 200; ++turn) {
        berth::Error error;
        berth::Plugin plugin = host.load(fixture(names[(turn + thread) % 3]), {}, error);
        if (!plugin) {
          wrong += error.status() == BERTH_ERR_BUSY ? 0 : 1;
          continue;
        }
        ++loads;
        wrong += host.unload(std::move(plugin), error).outcome == Outcome::Destroyed ? 0 : 1;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(wrong == 0);
  CHECK(loads > 0);
  host.reap();
  CHECK(host.zombies() == 0);
  CHECK(same(ledger(), before));
}

TEST_CASE("leases taken and dropped by many threads never outlast the unload") {
  berth::Host host;
  berth::Plugin plugin = host.load(fixture("minimal"));
  std::vector<std::thread> threads;
  std::atomic<int> right = 0;
  for (int thread = 0; thread < 4; ++thread) {
    threads.emplace_back([add = plugin.import <int(int, int)>("minimal_add"), &right]() mutable {
      for (int turn = 0; turn < 10000; ++turn) {
        const auto copy = add;
        right += copy(turn, 1) == turn + 1 ? 1 : 0;
      }
      add.reset();
    });
  }
  CHECK(host.unload(std::move(plugin), 10min).outcome == Outcome::Destroyed);
  CHECK(right == 40000);
  for (std::thread& thread : threads) thread.join();
}

TEST_CASE("a plugin can be loaded with a real-time budget") {
  berth::Host host;
  berth::LoadOptions options;
  options.realtime_bytes = std::size_t{1} << 20;
  options.realtime_threads = 1;
  const berth::Plugin plugin = host.load(fixture("minimal"), options);
  CHECK(statistics_of(plugin.instance()).committed_bytes >= options.realtime_bytes);
  CHECK(berth_thread_prepare(plugin.instance()) == BERTH_OK);
  CHECK(berth_thread_prepare(plugin.instance()) == BERTH_OK);
}
