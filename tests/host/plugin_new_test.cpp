// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// berth::plugin_new in plugins by both compilers, and the host's owner-aware operator delete: what plugins allocate is
// theirs, whoever frees it.
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "host_fixtures.hpp"
#include "support/catch.hpp"

using namespace berth::tests;
using Outcome = berth::UnloadReport::Outcome;

namespace {

// The fixture by each compiler that there is.
std::vector<std::string> compiled() {
  std::vector<std::string> names = {"standard_library"};
  if (std::filesystem::exists(fixture("standard_library_other"))) names.emplace_back("standard_library_other");
  return names;
}

struct Misuses {
  std::vector<berth_misuse> seen;
  std::vector<std::string> messages;
  static void add(void* context, const berth_misuse* misuse) {
    auto* self = static_cast<Misuses*>(context);
    self->seen.push_back(*misuse);
    self->messages.emplace_back(misuse->message);
  }
  berth::LoadOptions options() {
    berth::LoadOptions result;
    result.on_misuse = &add;
    result.on_misuse_context = this;
    return result;
  }
};

}  // namespace

TEST_CASE("the standard library works in a plugin, and its blocks are the plugin's") {
  for (const std::string& name : compiled()) {
    CAPTURE(name);
    berth::Host host;
    const berth_process_statistics before = ledger();
    Misuses misuses;
    berth::Plugin plugin = host.load(fixture(name), misuses.options());

    const berth_instance_statistics loaded = statistics_of(plugin.instance());
    CHECK(plugin.symbol<std::size_t()>("made_at_construction")() > 60);
    CHECK(loaded.live_blocks >= 2);  // the vector and its string
    CHECK(loaded.live_bytes >= 60);
    for (const char* use : {"use_getline", "use_stringstream", "use_regex", "use_map", "use_thread", "use_throw",
                            "use_all_forms", "use_too_much"}) {
      CAPTURE(use);
      CHECK(plugin.import <bool()>(use)());
      CHECK(statistics_of(plugin.instance()).live_blocks == loaded.live_blocks);
      CHECK(statistics_of(plugin.instance()).live_bytes == loaded.live_bytes);
    }
    CHECK(statistics_of(plugin.instance()).allocations > loaded.allocations + 2000);  // the map's nodes alone
    CHECK(misuses.messages == std::vector<std::string>{});

    const berth::UnloadReport report = host.unload(std::move(plugin));
    CHECK(report.outcome == Outcome::Destroyed);
    CHECK(report.live_blocks == 0);  // static destructors freed theirs
    CHECK(same(ledger(), before));
  }
}

TEST_CASE("bytes are attributed to the plugin that asked for them") {
  for (const std::string& name : compiled()) {
    berth::Host host;
    berth::Plugin plugin = host.load(fixture(name));
    const std::size_t before = statistics_of(plugin.instance()).live_bytes;
    void* block = plugin.symbol<void*(std::size_t)>("new_bytes")(std::size_t{1} << 20);
    void* wide = plugin.symbol<void*()>("new_wide")();
    CHECK(berth_find_owner(block) == plugin.instance());
    CHECK(berth_find_owner(wide) == plugin.instance());
    CHECK(reinterpret_cast<std::uintptr_t>(wide) % 128 == 0);
    CHECK(statistics_of(plugin.instance()).live_bytes >= before + (std::size_t{1} << 20) + 256);
    plugin.symbol<void(void*)>("delete_bytes")(block);
    plugin.symbol<void(void*)>("delete_wide")(wide);
    CHECK(statistics_of(plugin.instance()).live_bytes == before);
  }
}

TEST_CASE("containers handed over are freed into their instance by whoever frees them") {
  for (const std::string& name : compiled()) {
    berth::Host host;
    berth::Plugin plugin = host.load(fixture(name));
    const std::size_t before = statistics_of(plugin.instance()).live_blocks;
    {
      std::vector<int> numbers;
      plugin.symbol<void(std::vector<int>*)>("give_vector")(&numbers);
      CHECK(numbers == std::vector<int>(10000, 7));
      CHECK(berth_find_owner(numbers.data()) == plugin.instance());
      numbers.resize(50000);  // the host's own now, the plugin's block freed
      CHECK(berth_find_owner(numbers.data()) == nullptr);
      CHECK(statistics_of(plugin.instance()).live_blocks == before);

      std::shared_ptr<std::string> text;
      plugin.symbol<void(std::shared_ptr<std::string>*)>("give_shared")(&text);
      CHECK(*text == std::string(1000, 's'));
      CHECK(berth_find_owner(text.get()) == plugin.instance());
      std::thread([moved = std::move(text)]() mutable { moved.reset(); }).join();
      CHECK(statistics_of(plugin.instance()).live_blocks == before);

      std::vector<int> mine(1000, 3);  // malloc's block, grown and freed by the plugin
      plugin.symbol<void(std::vector<int>*)>("take_vector")(&mine);
      CHECK(mine.empty());
    }
    CHECK(statistics_of(plugin.instance()).live_blocks == before);
    CHECK_THROWS_WITH(plugin.symbol<void()>("throw_error")(), std::string(100, 'e'));
    CHECK(host.unload(std::move(plugin)).live_blocks == 0);
  }
}

TEST_CASE("deleting another plugin's block is a foreign free that names both") {
  if (compiled().size() < 2) return;
  berth::Host host;
  Misuses misuses;
  berth::LoadOptions options = misuses.options();
  options.name = "owner";
  berth::Plugin owner = host.load(fixture(compiled()[0]), options);
  options.name = "offender";
  berth::Plugin offender = host.load(fixture(compiled()[1]), options);
  void* block = owner.symbol<void*(std::size_t)>("new_bytes")(100);
  offender.symbol<void(void*)>("delete_bytes")(block);

  REQUIRE(misuses.seen.size() == 1);
  CHECK(misuses.seen[0].kind == BERTH_MISUSE_FOREIGN_FREE);
  CHECK(misuses.seen[0].called == offender.instance());
  CHECK(misuses.seen[0].owner == owner.instance());
  CHECK(contains(misuses.messages[0], "owner"));
  CHECK(contains(misuses.messages[0], "offender"));
  CHECK(contains(misuses.messages[0], ", " + compiled()[1] + ".so+0x"));
  owner.symbol<void(void*)>("delete_bytes")(block);  // it was left alone
  CHECK(misuses.seen.size() == 1);
}

TEST_CASE("deleting with another size is told as a wrong size of a sized free is") {
  for (const std::string& name : compiled()) {
    for (const std::uint32_t level : {BERTH_HARDENING_FAST, BERTH_HARDENING_CHECKED}) {
      CAPTURE(name, level);
      berth::Host host;
      Misuses misuses;
      berth::LoadOptions options = misuses.options();
      options.hardening = level;
      berth::Plugin plugin = host.load(fixture(name), options);
      auto* new_bytes = plugin.symbol<void*(std::size_t)>("new_bytes");
      plugin.symbol<void(void*)>("delete_as_smaller")(new_bytes(100));
      plugin.symbol<void(void*)>("delete_wide_as_smaller")(plugin.symbol<void*()>("new_wide")());
      REQUIRE(misuses.seen.size() == (level == BERTH_HARDENING_FAST ? 0 : 2));
      for (const berth_misuse& misuse : misuses.seen) CHECK(misuse.kind == BERTH_MISUSE_SIZE_MISMATCH);
      CHECK(host.unload(std::move(plugin)).live_blocks == misuses.seen.size());  // what is wrong is not freed
    }
  }
}

TEST_CASE("without an instance the real operators serve") {
  void* handle = open_elsewhere(fixture("standard_library"));
  REQUIRE(handle != nullptr);
  void* block = reinterpret_cast<void* (*)(std::size_t)>(symbol_of(handle, "new_bytes"))(100);
  CHECK(block != nullptr);
  CHECK(berth_find_owner(block) == nullptr);
  reinterpret_cast<void (*)(void*)>(symbol_of(handle, "delete_bytes"))(block);
  for (const char* use : {"use_getline", "use_regex", "use_map", "use_throw", "use_all_forms"}) {
    CHECK(reinterpret_cast<bool (*)()>(symbol_of(handle, use))());
  }
  close_elsewhere(handle);
  CHECK_FALSE(is_mapped("standard_library"));
}

TEST_CASE("a plugin that frees a block of an instance, having none itself, frees it into its owner") {
  berth_instance* instance = nullptr;
  REQUIRE(berth_instance_create(nullptr, &instance) == BERTH_OK);
  void* handle = open_elsewhere(fixture("standard_library"));
  REQUIRE(handle != nullptr);
  void* block = berth_malloc(berth_instance_allocator(instance), 100);
  reinterpret_cast<void (*)(void*)>(symbol_of(handle, "delete_bytes"))(block);
  CHECK(statistics_of(instance).live_blocks == 0);
  close_elsewhere(handle);
  CHECK(berth_instance_destroy(instance, nullptr) == BERTH_OK);
}
