// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Modules that come and go beside a routed plugin: parts that it opens itself, and what takes its place in the process.
#include <dlfcn.h>
#include <link.h>

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <utility>

#include "berth/host.hpp"
#include "support/catch.hpp"

using berth::Host;
using berth::LoadOptions;
using berth::Metering;
using berth::Plugin;
using berth::UnloadReport;

namespace {

// Runs once after a module was closed, before who closed it goes on.
void (*after_close)() = nullptr;

std::uintptr_t base_of(void* handle) {
  link_map* map = nullptr;
  return dlinfo(handle, RTLD_DI_LINKMAP, &map) == 0 ? map->l_addr : 0;
}

void* successor = nullptr;
void* of_successor = nullptr;
std::string successor_path;

void open_successor() {
  successor = dlopen(successor_path.c_str(), RTLD_NOW);
  if (successor == nullptr) return;
  of_successor = reinterpret_cast<void* (*)(std::size_t)>(dlsym(successor, "give"))(100);
}

}  // namespace

// The program's own is found before the C library's.
extern "C" __attribute__((visibility("default"))) int dlclose(void* handle) noexcept {
  static auto* const next = reinterpret_cast<int (*)(void*)>(dlsym(RTLD_NEXT, "dlclose"));
  const int result = next(handle);
  if (void (*const act)() = std::exchange(after_close, nullptr)) act();
  return result;
}

TEST_CASE("what is mapped where a plugin was is not the plugin, even before its unload is over", "[own]") {
  successor_path = std::string(BERTH_OWN_PLUGIN) + ".successor";
  std::filesystem::copy_file(BERTH_OWN_PLUGIN, successor_path, std::filesystem::copy_options::overwrite_existing);
  Host host;
  Plugin plugin = host.load(BERTH_OWN_PLUGIN);
  void* const handle = dlopen(BERTH_OWN_PLUGIN, RTLD_NOW | RTLD_NOLOAD);
  const std::uintptr_t place = base_of(handle);
  dlclose(handle);
  after_close = open_successor;
  const UnloadReport report = host.unload(std::move(plugin));
  CAPTURE(report.cause);
  CHECK(report.outcome == UnloadReport::Outcome::Destroyed);
  REQUIRE(successor != nullptr);
  // The system fills the hole that it has just made. Else this shows nothing.
  REQUIRE(base_of(successor) == place);
  CHECK(berth_find_owner_id(of_successor) == 0);
  void* const constructed = reinterpret_cast<void* (*)()>(dlsym(successor, "constructed_block"))();
  CHECK(berth_find_owner_id(constructed) == 0);
  std::free(of_successor);
  dlclose(successor);
  std::filesystem::remove(successor_path);
}

TEST_CASE("a part that a plugin's constructor opens is the plugin's, and its metering is whole", "[own]") {
  Host host;
  LoadOptions options;
  options.route = berth::Routing::Required;
  Plugin plugin = host.load(BERTH_OWN_OPENING_PLUGIN, options);
  CAPTURE(plugin.metering_text());
  CHECK(plugin.metering() == Metering::Whole);
  void* const block = plugin.symbol<void*()>("from_part")();
  REQUIRE(block != nullptr);
  CHECK(berth_find_owner(block) == plugin.instance());
  std::free(block);
  const UnloadReport report = host.unload(std::move(plugin));
  CAPTURE(report.cause);
  CHECK(report.outcome == UnloadReport::Outcome::Destroyed);
}
