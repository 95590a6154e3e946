// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// A routed host that has an operator new of its own and shows its functions to its plugins. What a plugin takes there
// is the host's, and its metering says so.
#include <cstdint>
#include <cstdlib>
#include <new>
#include <utility>

#include "berth/host.hpp"
#include "own_shared.hpp"
#include "support/catch.hpp"

// The plain form alone.
void* operator new(std::size_t size) {
  if (void* block = std::malloc(size == 0 ? 1 : size)) return block;
  throw std::bad_alloc();
}

using berth::Host;
using berth::LoadOptions;
using berth::Metering;
using berth::Plugin;

TEST_CASE("what a plugin takes from functions of its host is the host's, and is named", "[own]") {
  MakeFunction* volatile make = &SharedMaker<char>::make;
  std::free(make(10));
  Host host;
  Plugin plugin = host.load(BERTH_OWN_SHARED_PLUGIN);
  CAPTURE(plugin.metering_text());
  CHECK(plugin.metering() == Metering::Partly);
  CHECK(plugin.metering_text().find("its operator new is the program's own") != std::string::npos);
  CHECK(plugin.metering_text().find("SharedMaker<char>::make") != std::string::npos);
  CHECK(plugin.metering_text().find("the program") != std::string::npos);
  void* shared = plugin.symbol<void*(unsigned long)>("shared")(100);
  void* created = plugin.symbol<void*(unsigned long)>("created")(100);
  void* array = plugin.symbol<void*(unsigned long)>("created_array")(100);
  CHECK(berth_find_owner_id(shared) == 0);
  CHECK(berth_find_owner_id(created) == 0);
  CHECK(berth_find_owner(array) == plugin.instance());  // that form is Berth's
  std::free(shared);
  ::operator delete(created);
  ::operator delete[](array);
  CHECK(host.unload(std::move(plugin)).live_blocks == 0);
}

TEST_CASE("a host with operators of its own is no host for plugins whose metering is required", "[own]") {
  Host host;
  LoadOptions options;
  options.route = berth::Routing::Required;
  berth::Error error;
  CHECK_FALSE(host.load(BERTH_OWN_SHARED_PLUGIN, options, error));
  CHECK(error.status() == BERTH_ERR_UNSUPPORTED);
  CAPTURE(error.text());
  CHECK(error.text().find("its operator new is the program's own") != std::string::npos);
  // One in C has nothing to do with either.
  Plugin plain = host.load(BERTH_OWN_PLUGIN, options);
  CHECK(plain.metering() == Metering::Whole);
  CHECK(host.unload(std::move(plain)).live_blocks == 0);
}
