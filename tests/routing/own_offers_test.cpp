// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// What an instance offers holds for plugins that never heard of it: description, corruption reports, memory for
// real-time threads, quarantine, and their shared libraries.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "berth/host.hpp"
#include "berth/log.h"
#include "support/catch.hpp"
#include "support/texts.hpp"

using berth::Host;
using berth::LoadOptions;
using berth::Metering;
using berth::Plugin;
using berth::Release;
using berth::UnloadReport;

namespace {

using berth::tests::contains;
using berth::tests::description;

std::vector<std::string> logged;
void note(void*, const char* line) { logged.emplace_back(line); }

}  // namespace

TEST_CASE("a block of a routed plugin is described with the plugin's name", "[own]") {
  Host host;
  LoadOptions options;
  options.name = "unaware";
  Plugin plugin = host.load(BERTH_OWN_PLUGIN, options);
  void* block = plugin.symbol<void*(std::size_t)>("give")(300);
  CAPTURE(description(block));
  CHECK(contains(description(block), "unaware"));
  CHECK(contains(description(static_cast<char*>(block) + 100), "unaware"));
  std::free(block);
  CHECK(host.unload(std::move(plugin)).live_blocks == 0);
}

TEST_CASE("a routed plugin that frees inside a block is named, and its small overruns hit nothing", "[own]") {
  struct Seen {
    std::uint32_t kind = 0;
    std::string message;
  } seen;
  Host host;
  LoadOptions options;
  options.name = "careless";
  options.hardening = BERTH_HARDENING_CHECKED;
  options.on_misuse = [](void* context, const berth_misuse* misuse) {
    auto& all = *static_cast<Seen*>(context);
    all.kind = misuse->kind;
    all.message = misuse->message;
  };
  options.on_misuse_context = &seen;
  Plugin plugin = host.load(BERTH_OWN_PLUGIN, options);
  // glibc's rounding lets so much pass, and so does the padding.
  for (const std::size_t bytes : {8u, 24u, 40u, 56u, 1000u}) {
    plugin.symbol<void(std::size_t, std::size_t)>("overrun")(bytes, 8);
  }
  CHECK(seen.kind == 0);
  plugin.symbol<void()>("free_inside")();
  CHECK(seen.kind == BERTH_MISUSE_INTERIOR_FREE);
  CAPTURE(seen.message);
  CHECK(contains(seen.message, "careless"));
}

TEST_CASE("a routed plugin has memory ready on real-time threads", "[own]") {
  Host host;
  LoadOptions options;
  options.realtime_bytes = std::size_t{1} << 20;
  options.realtime_threads = 1;
  Plugin plugin = host.load(BERTH_OWN_PLUGIN, options);
  berth_instance_statistics before{};
  before.struct_size = sizeof(before);
  REQUIRE(berth_instance_stats(plugin.instance(), &before) == BERTH_OK);
  CHECK(before.committed_bytes >= options.realtime_bytes);
  auto* const give = plugin.symbol<void*(std::size_t)>("give");
  unsigned good = 0;
  std::thread audio([&] {
    if (berth_thread_prepare(plugin.instance()) != BERTH_OK) return;
    for (unsigned round = 0; round < 100; ++round) {
      void* block = give(200);
      good += berth_find_owner(block) == plugin.instance();
      std::free(block);
    }
  });
  audio.join();
  CHECK(good == 100);
  CHECK(host.unload(std::move(plugin)).live_blocks == 0);
}

TEST_CASE("a block of a routed plugin that is freed after the unload is named, where there is a quarantine", "[own]") {
  REQUIRE(berth_set_quarantine(4) == BERTH_OK);
  Host host;
  LoadOptions options;
  options.name = "departed";
  options.release = Release::Always;
  Plugin plugin = host.load(BERTH_OWN_PLUGIN, options);
  // Volatile: the compiler would tell of the misuse.
  void* volatile block = plugin.symbol<void*(std::size_t)>("give")(300);
  CHECK(host.unload(std::move(plugin)).outcome == UnloadReport::Outcome::Destroyed);
  berth_set_log(note, nullptr);
  logged.clear();
  std::free(block);  // the C library would end the process
  void* const moved = std::realloc(block, 1000);
  berth_set_log(nullptr, nullptr);
  CHECK(moved == nullptr);
  REQUIRE(logged.size() == 2);
  CAPTURE(logged[0], logged[1]);
  CHECK(contains(logged[0], "free("));
  CHECK(contains(logged[0], "departed"));
  CHECK(contains(logged[1], "realloc("));
  CHECK(berth_set_quarantine(0) == BERTH_OK);
}

TEST_CASE("a shared library that came with a routed plugin allocates from the plugin's instance", "[own]") {
  Host host;
  LoadOptions options;
  options.route = berth::Routing::Required;
  Plugin plugin = host.load(BERTH_OWN_DEPENDENT_PLUGIN, options);
  CHECK(plugin.metering() == Metering::Whole);
  void* const block = plugin.symbol<void*(std::size_t)>("from_library")(300);
  CHECK(berth_find_owner(block) == plugin.instance());
  std::free(block);
  const UnloadReport report = host.unload(std::move(plugin));
  CHECK(report.outcome == UnloadReport::Outcome::Destroyed);
  CHECK(report.live_blocks == 0);
}
