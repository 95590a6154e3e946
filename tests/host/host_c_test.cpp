// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// berth/host.h: the loader for hosts in any language. What it loads and unloads by is tested with berth/host.hpp.
#include <atomic>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "berth/host.h"
#include "host_fixtures.hpp"
#include "support/catch.hpp"

using namespace berth::tests;

namespace {

template <typename Struct>
Struct sized() {
  Struct out{};
  out.struct_size = sizeof(out);
  return out;
}

std::string path_of(const char* name) { return fixture(name).string(); }

struct CHost {
  CHost() { REQUIRE(berth_host_create(&host) == BERTH_OK); }
  ~CHost() {
    if (host != nullptr) berth_host_destroy(host);
  }
  CHost(const CHost&) = delete;
  CHost& operator=(const CHost&) = delete;

  berth_loaded_plugin* load(const char* name, const berth_load_options* options = nullptr) {
    berth_loaded_plugin* plugin = nullptr;
    status = berth_host_load(host, path_of(name).c_str(), options, &plugin, &error);
    return plugin;
  }
  berth_status unload(berth_loaded_plugin* plugin, uint32_t timeout_ms = 0) {
    return status = berth_host_unload(host, plugin, timeout_ms, &report, &error);
  }

  berth_host* host = nullptr;
  berth_status status = BERTH_OK;
  berth_error error = sized<berth_error>();
  berth_unload_report report = sized<berth_unload_report>();
};

}  // namespace

TEST_CASE("a C host loads, calls and unloads a plugin", "[host_c]") {
  const berth_process_statistics before = ledger();
  CHost c;
  berth_loaded_plugin* plugin = c.load("minimal");
  REQUIRE(plugin != nullptr);
  CHECK(c.error.status == BERTH_OK);
  CHECK(c.error.text[0] == '\0');
  CHECK(std::string(berth_loaded_plugin_name(plugin)) == "minimal");
  CHECK(std::string(berth_loaded_plugin_path(plugin)) == path_of("minimal"));
  CHECK(std::string(berth_loaded_plugin_copy_path(plugin)).empty());
  CHECK(berth_loaded_plugin_symbol(plugin, "no_such_symbol") == nullptr);
  auto* allocate = reinterpret_cast<void* (*)(std::size_t)>(berth_loaded_plugin_symbol(plugin, "minimal_allocate"));
  REQUIRE(allocate != nullptr);
  REQUIRE(berth_loaded_plugin_enter(plugin) == BERTH_OK);
  CHECK(berth_find_owner(allocate(100)) == berth_loaded_plugin_instance(plugin));
  berth_loaded_plugin_leave(plugin);
  char text[8];
  const std::size_t length = berth_loaded_plugin_metering_text(plugin, text, sizeof(text));
  CHECK((length == 0) == (berth_loaded_plugin_metering(plugin) == BERTH_METERING_WHOLE));
  CHECK(std::strlen(text) <= sizeof(text) - 1);

  CHECK(c.unload(plugin) == BERTH_OK);
  CHECK(c.report.outcome == BERTH_UNLOAD_DESTROYED);
  CHECK(std::string(c.report.plugin) == "minimal");
  CHECK(c.report.live_blocks == 1);
  CHECK_FALSE(is_mapped("minimal"));
  CHECK(same(ledger(), before));
}

TEST_CASE("a C host's options arrive", "[host_c]") {
  CHost c;
  auto options = sized<berth_load_options>();
  options.name = "renamed";
  options.quota_bytes = 4 << 20;
  options.private_copy = 1;
  options.user_data = &c;
  berth_loaded_plugin* plugin = c.load("minimal", &options);
  REQUIRE(plugin != nullptr);
  CHECK(std::string(berth_loaded_plugin_name(plugin)) == "renamed");
  berth_instance* instance = berth_loaded_plugin_instance(plugin);
  CHECK(statistics_of(instance).quota_bytes == options.quota_bytes);
  CHECK(berth_instance_user_data(instance) == &c);
  CHECK(c.load("minimal", &options) != nullptr);  // a module of its own

  options.release = 17;
  CHECK(c.load("minimal", &options) == nullptr);
  CHECK(c.status == BERTH_ERR_INVALID_ARGUMENT);
  CHECK(contains(c.error.text, "release is 17"));
  options.release = 0;
  options.check_threads = 9;
  CHECK(c.load("minimal", &options) == nullptr);
  CHECK(contains(c.error.text, "check_threads is 9"));
  options.check_threads = BERTH_CHECK_THREADS_OFF;
  CHECK(c.load("minimal", &options) != nullptr);
}

TEST_CASE("a C host holds what it is in", "[host_c]") {
  CHost c;
  berth_loaded_plugin* plugin = c.load("minimal");
  REQUIRE(plugin != nullptr);
  REQUIRE(berth_loaded_plugin_enter(plugin) == BERTH_OK);
  CHECK(c.unload(plugin) == BERTH_ERR_BUSY);
  CHECK(c.error.status == BERTH_ERR_BUSY);
  CHECK(c.error.cause == BERTH_CAUSE_HELD);
  CHECK(std::string(c.error.plugin) == "minimal");
  CHECK(c.report.outcome == BERTH_UNLOAD_REFUSED);
  CHECK(c.report.status == BERTH_ERR_BUSY);
  CHECK(c.unload(plugin, 1) == BERTH_ERR_TIMEOUT);
  CHECK(berth_host_destroy(c.host) == BERTH_ERR_BUSY);
  CHECK(berth_loaded_plugin_symbol(plugin, "minimal_allocate") != nullptr);  // untouched

  std::vector<std::string> lines;
  berth_set_log([](void* all, const char* line) { static_cast<std::vector<std::string>*>(all)->emplace_back(line); },
                &lines);
  berth_loaded_plugin_leave(plugin);
  CHECK(lines.empty());
  berth_loaded_plugin_leave(plugin);
  berth_set_log(nullptr, nullptr);
  REQUIRE(lines.size() == 1);
  CHECK(contains(lines[0], "minimal"));

  CHECK(c.unload(plugin) == BERTH_OK);
  CHECK(c.unload(plugin) == BERTH_ERR_INVALID_ARGUMENT);  // a pointer that is gone
  CHECK(contains(c.error.text, "has been unloaded"));
}

TEST_CASE("a C host's unload waits for who is inside", "[host_c]") {
  CHost c;
  berth_loaded_plugin* plugin = c.load("minimal");
  REQUIRE(plugin != nullptr);
  REQUIRE(berth_loaded_plugin_enter(plugin) == BERTH_OK);
  std::atomic<bool> turned_away = false;
  std::thread inside([&] {
    while (berth_loaded_plugin_enter(plugin) == BERTH_OK) berth_loaded_plugin_leave(plugin);
    turned_away = true;  // the unload waits
    berth_loaded_plugin_leave(plugin);
  });
  CHECK(c.unload(plugin, 60'000) == BERTH_OK);
  CHECK(turned_away);
  inside.join();
}

TEST_CASE("a C host's end unloads what is left", "[host_c]") {
  const berth_process_statistics before = ledger();
  CHost c;
  CHECK(c.load("minimal") != nullptr);
  CHECK(c.load("standard_library") != nullptr);
  CHECK(berth_host_destroy(c.host) == BERTH_OK);
  c.host = nullptr;
  CHECK_FALSE(is_mapped("minimal"));
  CHECK(same(ledger(), before));
}

TEST_CASE("a C host adopts, and reaps zombies", "[host_c]") {
  CHost c;
  void* handle = open_elsewhere(fixture("minimal"));
  REQUIRE(handle != nullptr);
  berth_loaded_plugin* plugin = nullptr;
  REQUIRE(berth_host_adopt(c.host, handle, nullptr, nullptr, &plugin, &c.error) == BERTH_OK);
  void* second = open_elsewhere(fixture("minimal"));  // keeps the module mapped
  CHECK(c.unload(plugin) == BERTH_ERR_STILL_MAPPED);
  CHECK(c.report.outcome == BERTH_UNLOAD_ZOMBIE);
  CHECK(c.report.cause == BERTH_CAUSE_OTHER_REFERENCE);
  CHECK(berth_host_zombies(c.host) == 1);
  CHECK(c.unload(plugin) == BERTH_ERR_INVALID_ARGUMENT);
  close_elsewhere(second);
  int gone = 0;
  CHECK(berth_host_reap(
            c.host,
            [](void* count, const berth_unload_report* report) {
              ++*static_cast<int*>(count);
              CHECK(report->outcome == BERTH_UNLOAD_DESTROYED);
            },
            &gone) == BERTH_OK);
  CHECK(gone == 1);
  CHECK(berth_host_zombies(c.host) == 0);
  CHECK(berth_host_reap(c.host, nullptr, nullptr) == BERTH_OK);
}

TEST_CASE("a C host's bad input is answered by name", "[host_c]") {
  CHECK(berth_host_create(nullptr) == BERTH_ERR_INVALID_ARGUMENT);
  CHECK(berth_host_destroy(nullptr) == BERTH_ERR_INVALID_ARGUMENT);
  CHECK(berth_host_reap(nullptr, nullptr, nullptr) == BERTH_ERR_INVALID_ARGUMENT);
  CHECK(berth_loaded_plugin_enter(nullptr) == BERTH_ERR_INVALID_ARGUMENT);
  CHECK(berth_loaded_plugin_symbol(nullptr, "x") == nullptr);
  CHECK(berth_loaded_plugin_instance(nullptr) == nullptr);
  CHECK(berth_loaded_plugin_name(nullptr) == nullptr);
  CHECK(berth_loaded_plugin_metering(nullptr) == BERTH_METERING_NOT);
  berth_loaded_plugin_leave(nullptr);

  CHost c;
  auto* plugin = reinterpret_cast<berth_loaded_plugin*>(&c);
  CHECK(berth_host_load(c.host, nullptr, nullptr, &plugin, &c.error) == BERTH_ERR_INVALID_ARGUMENT);
  CHECK(plugin == nullptr);
  CHECK(contains(c.error.text, "path"));
  CHECK(berth_host_load(c.host, path_of("minimal").c_str(), nullptr, nullptr, &c.error) == BERTH_ERR_INVALID_ARGUMENT);
  CHECK(berth_host_load(nullptr, path_of("minimal").c_str(), nullptr, &plugin, nullptr) == BERTH_ERR_INVALID_ARGUMENT);
  CHECK(c.load("no such file") == nullptr);
  CHECK(c.status == BERTH_ERR_NOT_FOUND);
  CHECK(contains(c.error.text, "no such file"));
  CHECK(c.load("attach_fails") == nullptr);
  CHECK(c.status == BERTH_ERR_PLUGIN);
  CHECK(berth_host_adopt(c.host, nullptr, nullptr, nullptr, &plugin, &c.error) == BERTH_ERR_INVALID_ARGUMENT);
  CHECK(c.unload(nullptr) == BERTH_ERR_INVALID_ARGUMENT);
  CHECK(berth_loaded_plugin_symbol(c.load("minimal"), nullptr) == nullptr);

  // Structs of other versions.
  berth_load_options options{};
  CHECK(c.load("minimal", &options) == nullptr);
  CHECK(c.status == BERTH_ERR_INVALID_ARGUMENT);
  CHECK(contains(c.error.text, "struct_size is 0"));
  struct {
    berth_load_options known;
    std::uint64_t unknown;
  } newer{};
  newer.known.struct_size = sizeof(newer);
  newer.known.private_copy = 1;
  CHECK(c.load("minimal", &newer.known) != nullptr);
  newer.unknown = 1;
  CHECK(c.load("minimal", &newer.known) == nullptr);
  CHECK(c.status == BERTH_ERR_UNSUPPORTED);
  berth_error small{};
  CHECK(berth_host_load(c.host, path_of("minimal").c_str(), nullptr, &plugin, &small) == BERTH_ERR_INVALID_ARGUMENT);
  berth_loaded_plugin* loaded = nullptr;
  REQUIRE((loaded = c.load("standard_library")) != nullptr);
  berth_unload_report report{};
  CHECK(berth_host_unload(c.host, loaded, 0, &report, &c.error) == BERTH_ERR_INVALID_ARGUMENT);
  CHECK(berth_host_unload(c.host, loaded, 0, nullptr, nullptr) == BERTH_OK);
}

TEST_CASE("of two unloads of a C host's plugin one has it", "[host_c]") {
  CHost c;
  for (int round = 0; round < 50; ++round) {
    berth_loaded_plugin* plugin = c.load("minimal");
    REQUIRE(plugin != nullptr);
    std::atomic<int> done = 0;
    const auto unload = [&] {
      const berth_status status = berth_host_unload(c.host, plugin, 0, nullptr, nullptr);
      if (status == BERTH_OK) ++done;
    };
    std::thread other(unload);
    unload();
    other.join();
    // Either may see the other inside, on its way out: then the plugin is whole.
    if (done == 0) CHECK(berth_host_unload(c.host, plugin, 60'000, nullptr, nullptr) == BERTH_OK);
    CHECK(done <= 1);
  }
}
