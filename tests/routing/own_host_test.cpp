// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Routing in a host of one's own: this program is linked with berth::routing, and its plugins never heard of Berth.
#include <dlfcn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include "berth/host.hpp"
#include "support/catch.hpp"

using berth::Host;
using berth::LoadOptions;
using berth::Metering;
using berth::Plugin;
using berth::Release;
using berth::Routing;
using berth::UnloadReport;

namespace {

berth_instance_statistics statistics_of(const Plugin& plugin) {
  berth_instance_statistics statistics{};
  statistics.struct_size = sizeof(statistics);
  berth_instance_stats(plugin.instance(), &statistics);
  return statistics;
}

bool owns(const Plugin& plugin, const void* block) {
  return block != nullptr && berth_find_owner(block) == plugin.instance();
}

template <typename Signature>
Signature* find(const Plugin& plugin, const char* name) {
  return plugin.symbol<Signature>(name);
}

// Of instances and reservations.
std::vector<std::size_t> ledger() {
  berth_process_statistics statistics{};
  statistics.struct_size = sizeof(statistics);
  berth_process_stats(&statistics);
  return {statistics.instances, statistics.reservations, statistics.reserved_bytes};
}

struct Misuses {
  std::vector<std::uint32_t> kinds;
  std::vector<std::string> messages;
  static void note(void* context, const berth_misuse* misuse) {
    auto* all = static_cast<Misuses*>(context);
    all->kinds.push_back(misuse->kind);
    all->messages.emplace_back(misuse->message);
  }
};

LoadOptions checked(Misuses& misuses) {
  LoadOptions options;
  options.hardening = BERTH_HARDENING_CHECKED;
  options.on_misuse = Misuses::note;
  options.on_misuse_context = &misuses;
  return options;
}

}  // namespace

TEST_CASE("a plugin with plain malloc that leaks is metered whole, and all is given back", "[own]") {
  const auto before = ledger();
  Host host;
  for (int cycle = 0; cycle < 20; ++cycle) {
    Plugin plugin = host.load(BERTH_OWN_PLUGIN);
    CAPTURE(plugin.metering_text());
    REQUIRE(plugin.metering() == Metering::Whole);
    CHECK(owns(plugin, find<void*()>(plugin, "constructed_block")()));
    find<void(unsigned, std::size_t)>(plugin, "leak")(10, 5000);
    CHECK(statistics_of(plugin).live_blocks == 11);
    const UnloadReport report = host.unload(std::move(plugin));
    CAPTURE(report.cause);
    REQUIRE(report.outcome == UnloadReport::Outcome::Destroyed);
    CHECK(report.metering == Metering::Whole);
    CHECK(report.live_blocks == 10);
    CHECK(report.live_bytes >= 50000);
    CHECK(ledger() == before);
  }
}

TEST_CASE("the host's own allocations stay the C library's", "[own]") {
  Host host;
  Plugin plugin = host.load(BERTH_OWN_PLUGIN);
  void* volatile own = std::malloc(100);
  CHECK(berth_find_owner_id(own) == 0);
  const auto string = std::make_unique<std::string>(1000, 'h');
  CHECK(berth_find_owner_id(string->data()) == 0);
  std::string line;
  for (int number = 0; number < 1000; ++number) line.push_back('x');
  CHECK(berth_find_owner_id(line.data()) == 0);
  find<void(void*)>(plugin, "take")(own);  // it is merely freed there
  CHECK(host.unload(std::move(plugin)).live_blocks == 0);
}

TEST_CASE("the malloc family and what the C library gives to its caller come from the instance", "[own]") {
  Host host;
  Plugin plugin = host.load(BERTH_OWN_PLUGIN);
  const std::string path = std::string(BERTH_OWN_PLUGIN) + ".line";
  std::ofstream(path) << std::string(500, 'l') << "\n";
  char* copied = find<char*(const char*)>(plugin, "copy")("text");
  char* line = find<char*(const char*)>(plugin, "read_line")(path.c_str());
  void* aligned = find<void*(std::size_t, std::size_t)>(plugin, "aligned")(4096, 100);
  char* printed = find<char*(int)>(plugin, "print")(7);
  void* resized = find<void*(void*, std::size_t)>(plugin, "resize")(nullptr, 100);
  resized = find<void*(void*, std::size_t)>(plugin, "resize")(resized, 100000);
  CHECK(owns(plugin, copied));
  CHECK(owns(plugin, line));
  CHECK(owns(plugin, aligned));
  CHECK(owns(plugin, printed));
  CHECK(owns(plugin, resized));
  CHECK(std::string(copied) == "text");
  CHECK(std::strlen(line) == 501);
  CHECK(std::string(printed) == "number 7");
  CHECK(reinterpret_cast<std::uintptr_t>(aligned) % 4096 == 0);
  CHECK(find<void*(void*, std::size_t)>(plugin, "resize")(resized, 0) == nullptr);
  for (void* block : {static_cast<void*>(copied), static_cast<void*>(line), aligned, static_cast<void*>(printed)}) {
    std::free(block);
  }
  CHECK(statistics_of(plugin).live_blocks == 1);
  // A block of the host's that the plugin resizes stays the host's.
  void* own = find<void*(void*, std::size_t)>(plugin, "resize")(std::malloc(10), 5000);
  CHECK(berth_find_owner_id(own) == 0);
  std::free(own);
  unlink(path.c_str());
  CHECK(host.unload(std::move(plugin)).live_blocks == 0);
}

TEST_CASE("beyond its quota a routed plugin's malloc gives NULL, and new throws", "[own]") {
  Host host;
  LoadOptions options;
  options.quota_bytes = 8 << 20;
  Plugin plugin = host.load(BERTH_OWN_PLUGIN, options);
  int error = 0;
  const std::size_t bytes = find<std::size_t(std::size_t, int*)>(plugin, "fill")(10000, &error);
  CHECK(error == ENOMEM);
  CHECK(bytes > (4 << 20));
  CHECK(bytes <= (8 << 20));
  CHECK(statistics_of(plugin).failed_allocations != 0);
  CHECK(host.unload(std::move(plugin)).live_blocks == 0);
  Plugin cxx = host.load(BERTH_OWN_CXX_PLUGIN, options);
  CHECK(find<int()>(cxx, "fill")() == 1);
}

TEST_CASE("a double free of a routed plugin names it", "[own]") {
  Host host;
  Misuses misuses;
  LoadOptions options = checked(misuses);
  options.name = "culprit";
  Plugin plugin = host.load(BERTH_OWN_PLUGIN, options);
  find<void()>(plugin, "free_twice")();
  REQUIRE(misuses.kinds == std::vector<std::uint32_t>{BERTH_MISUSE_DOUBLE_FREE});
  CAPTURE(misuses.messages.front());
  CHECK(misuses.messages.front().find("culprit") != std::string::npos);
}

TEST_CASE("misuse by operator delete is told of as such", "[own]") {
  Host host;
  Misuses misuses;
  Plugin plugin = host.load(BERTH_OWN_CXX_PLUGIN, checked(misuses));
  for (const char* function : {"delete_twice", "delete_array_twice", "delete_sized_twice", "delete_aligned_twice"}) {
    misuses = {};
    find<void()>(plugin, function)();
    REQUIRE(misuses.kinds == std::vector<std::uint32_t>{BERTH_MISUSE_DOUBLE_FREE});
    CAPTURE(misuses.messages.front());
    CHECK(misuses.messages.front().find("operator delete") != std::string::npos);
    CHECK((misuses.messages.front().find("operator delete[]") != std::string::npos) ==
          (std::string(function) == "delete_array_twice"));
    CHECK(misuses.messages.front().find("own_cxx_plugin") != std::string::npos);
  }
}

TEST_CASE("a block that is freed by the host or by another plugin goes home, and is no misuse", "[own]") {
  Host host;
  Misuses misuses;
  LoadOptions options = checked(misuses);
  Plugin plugin = host.load(BERTH_OWN_PLUGIN, options);
  options.private_copy = true;
  Plugin other = host.load(BERTH_OWN_PLUGIN, options);
  void* block = find<void*(std::size_t)>(plugin, "give")(300);
  void* second = find<void*(std::size_t)>(plugin, "give")(300);
  CHECK(owns(plugin, block));
  std::free(block);
  find<void(void*)>(other, "take")(second);
  CHECK(misuses.kinds.empty());
  CHECK(statistics_of(plugin).live_blocks == 1);
  CHECK(statistics_of(other).live_blocks == 1);
  CHECK(host.unload(std::move(plugin)).live_blocks == 0);
  CHECK(host.unload(std::move(other)).live_blocks == 0);
}

TEST_CASE("a block that the host still has keeps the instance until it is freed", "[own]") {
  static char* volatile held = nullptr;
  const auto before = ledger();
  Host host;
  Plugin plugin = host.load(BERTH_OWN_PLUGIN);
  held = static_cast<char*>(find<void*(std::size_t)>(plugin, "give")(300));
  std::strcpy(held, "still here");
  const UnloadReport report = host.unload(std::move(plugin));
  CHECK(report.outcome == UnloadReport::Outcome::Kept);
  CHECK(report.why == berth::Cause::Referenced);
  CHECK(std::string(held) == "still here");
  std::free(held);
  held = nullptr;
  CHECK(host.reap().size() == 1);
  CHECK(ledger() == before);
}

TEST_CASE("threads of a routed plugin allocate from its instance", "[own]") {
  Host host;
  Plugin plugin = host.load(BERTH_OWN_PLUGIN);
  const std::uint64_t before = statistics_of(plugin).allocations;
  CHECK(find<int(unsigned)>(plugin, "run_threads")(20000) == 4);
  CHECK(statistics_of(plugin).allocations - before >= 80000);
  CHECK(host.unload(std::move(plugin)).live_blocks == 0);
}

TEST_CASE("a routed plugin that stays mapped keeps its instance as a zombie", "[own]") {
  const auto before = ledger();
  Host host;
  Plugin plugin = host.load(BERTH_OWN_PLUGIN);
  void* handle = find<void*()>(plugin, "hold_itself")();
  auto* give = find<void*(std::size_t)>(plugin, "give");
  REQUIRE(handle != nullptr);
  CHECK(host.unload(std::move(plugin)).outcome == UnloadReport::Outcome::Zombie);
  void* block = give(100);  // its memory is valid
  CHECK(berth_find_owner_id(block) != 0);
  std::free(block);
  dlclose(handle);
  CHECK(host.reap().size() == 1);
  CHECK(ledger() == before);
}

TEST_CASE("a forked child goes on with its routed plugins, and can load others", "[own]") {
  Host host;
  Plugin plugin = host.load(BERTH_OWN_PLUGIN);
  const pid_t child = fork();
  if (child == 0) {
    void* block = find<void*(std::size_t)>(plugin, "give")(100);
    const bool is_owned = owns(plugin, block);
    std::free(block);
    Plugin cxx = host.load(BERTH_OWN_CXX_PLUGIN);
    const bool is_whole = cxx.metering() == Metering::Whole;
    const bool is_gone = host.unload(std::move(cxx)).outcome == UnloadReport::Outcome::Destroyed;
    _exit(is_owned && is_whole && is_gone ? 0 : 1);
  }
  int status = -1;
  REQUIRE(waitpid(child, &status, 0) == child);
  CHECK(status == 0);
}

namespace {
// By itself, so that no address is left in the frame of whoever unloads.
[[gnu::noinline]] void use_cxx(const Plugin& plugin) {
  CHECK(owns(plugin, find<const void*()>(plugin, "start_string")()));
  std::string text;
  CHECK(owns(plugin, find<const void*(std::string&)>(plugin, "grow")(text)));
  text = std::string();
  auto* made = find<std::string*()>(plugin, "make")();
  CHECK(owns(plugin, made));
  CHECK(owns(plugin, made->data()));
  delete made;
  auto* own = new std::string(3000, 'o');
  find<void(std::string*)>(plugin, "destroy")(own);
  char* array = find<char*()>(plugin, "array")();
  CHECK(owns(plugin, array));
  delete[] array;
  void* aligned = find<void*()>(plugin, "aligned")();
  CHECK(owns(plugin, aligned));
  find<void(void*)>(plugin, "remove_aligned")(aligned);
  try {
    find<void()>(plugin, "throws")();
  } catch (const std::string& thrown) {
    CHECK(thrown.size() == 100);
  }
}
}  // namespace

TEST_CASE("a routed C++ plugin is metered whole, what the C++ library grows for it included", "[own]") {
  const auto before = ledger();
  Host host;
  Plugin plugin = host.load(BERTH_OWN_CXX_PLUGIN);
  CAPTURE(plugin.metering_text());
  CHECK(plugin.metering() == Metering::Whole);
  use_cxx(plugin);
  const UnloadReport report = host.unload(std::move(plugin));
  CAPTURE(report.cause);
  CHECK(report.outcome == UnloadReport::Outcome::Destroyed);
  CHECK(report.live_blocks == 2);
  CHECK(ledger() == before);
}

TEST_CASE("Off routes nothing, and Required refuses what is not metered whole", "[own]") {
  const auto before = ledger();
  Host host;
  LoadOptions options;
  options.route = Routing::Off;
  Plugin plugin = host.load(BERTH_OWN_PLUGIN, options);
  CHECK(plugin.metering() == Metering::Not);
  void* block = find<void*(std::size_t)>(plugin, "give")(100);
  CHECK(berth_find_owner_id(block) == 0);
  std::free(block);
  CHECK(host.unload(std::move(plugin)).outcome == UnloadReport::Outcome::Destroyed);

  options.route = Routing::Required;
  plugin = host.load(BERTH_OWN_PLUGIN, options);
  CHECK(plugin.metering() == Metering::Whole);
  CHECK(host.unload(std::move(plugin)).live_blocks == 0);

  berth::Error error;
  CHECK_FALSE(host.load(BERTH_OWN_SCANNING_PLUGIN, options, error));
  CHECK(error.status() == BERTH_ERR_UNSUPPORTED);
  CAPTURE(error.text());
  CHECK(error.text().find("open_memstream") != std::string::npos);
  CHECK(ledger() == before);

  options.route = Routing::Automatic;
  plugin = host.load(BERTH_OWN_SCANNING_PLUGIN, options);
  CHECK(plugin.metering() == Metering::Partly);
  CHECK(plugin.metering_text() == "it imports open_memstream");
}

TEST_CASE("what a folder's list takes is the plugin's, and what is freed by name goes home", "[own]") {
  Host host;
  Plugin plugin = host.load(BERTH_OWN_SCANNING_PLUGIN);
  int count = 0;
  auto** list = static_cast<void**>(find<void*(const char*, int*)>(plugin, "entries")("/", &count));
  REQUIRE(count > 2);
  CHECK(owns(plugin, list));
  CHECK(owns(plugin, list[0]));
  char* const word = find<char*(const char*)>(plugin, "word_of")("17 word");
  REQUIRE(word != nullptr);
  CHECK(owns(plugin, word));
  CHECK(std::string(word) == "word");
  std::free(word);
  void* const library = dlopen("libc.so.6", RTLD_NOW);
  auto* const free_by_name = reinterpret_cast<void (*)(void*)>(dlsym(library, "free"));
  for (int number = 0; number < count; ++number) free_by_name(list[number]);
  free_by_name(list);
  CHECK(find<std::size_t(const char*)>(plugin, "written")("stream") == 6);
  CHECK(host.unload(std::move(plugin)).live_blocks == 0);
  dlclose(library);
}

TEST_CASE("an adopted module is routed from its adoption on", "[own]") {
  const auto before = ledger();
  Host host;
  void* handle = dlopen(BERTH_OWN_PLUGIN, RTLD_NOW);
  REQUIRE(handle != nullptr);
  Plugin plugin = host.adopt(handle);
  CHECK(plugin.metering() == Metering::Partly);
  CHECK(plugin.metering_text().find("before it was adopted") != std::string::npos);
  CHECK(berth_find_owner_id(find<void*()>(plugin, "constructed_block")()) == 0);
  CHECK(owns(plugin, find<void*(std::size_t)>(plugin, "give")(100)));
  const UnloadReport report = host.unload(std::move(plugin));
  CHECK(report.live_blocks == 1);
  CHECK(report.outcome == UnloadReport::Outcome::Destroyed);
  CHECK(ledger() == before);
}

TEST_CASE("a module that the host opens by itself is the host's, wherever it lies", "[own]") {
  Host host;
  for (int cycle = 0; cycle < 10; ++cycle) {
    Plugin plugin = host.load(BERTH_OWN_PLUGIN);
    CHECK(host.unload(std::move(plugin)).outcome == UnloadReport::Outcome::Destroyed);
    void* handle = dlopen(BERTH_OWN_PLUGIN, RTLD_NOW);
    REQUIRE(handle != nullptr);
    auto* give = reinterpret_cast<void* (*)(std::size_t)>(dlsym(handle, "give"));
    void* block = give(100);
    CHECK(berth_find_owner_id(block) == 0);
    std::free(block);
    dlclose(handle);
  }
}
