// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// LoadOptions::check_references: what points into a module that is about to close is named or keeps it, and a plugin
// that leaves nothing behind is never suspected.
#include <dlfcn.h>
#include <signal.h>
#include <time.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <future>
#include <memory>
#include <thread>

#include "berth/host.hpp"
#include "support/catch.hpp"

extern "C" void** references_place(unsigned number);

namespace berth::tests {

namespace {

using ReportOutcome = UnloadReport::Outcome;
using Callback = void (*)(void*);

LoadOptions options(References check) {
  LoadOptions wanted;
  wanted.check_references = check;
  wanted.private_copy = true;
  return wanted;
}

std::string names(const UnloadReport& report) {
  std::string all;
  for (const Reference& reference : report.references) all += reference.name + " -> " + reference.target_name + "\n";
  return all + report.references_unknown;
}

void keep_callback(const Plugin& plugin, unsigned number) {
  *references_place(number) = reinterpret_cast<void*>(plugin.symbol<Callback()>("left_callback")());
}

// Unloads, and says what was found.
UnloadReport unload(Host& host, Plugin plugin) { return host.unload(std::move(plugin)); }

}  // namespace

TEST_CASE("nobody looks unless he is asked to") {
  Host host;
  Plugin plugin = host.load(BERTH_LEFT, options(References::Ignore));
  keep_callback(plugin, 0);
  const UnloadReport report = unload(host, std::move(plugin));
  *references_place(0) = nullptr;
  CHECK(report.outcome == ReportOutcome::Destroyed);
  CHECK(report.references.empty());
}

TEST_CASE("a callback in a global is named, with what it leads to") {
  Host host;
  Plugin plugin = host.load(BERTH_LEFT, options(References::Report));
  keep_callback(plugin, 3);
  const UnloadReport report = unload(host, std::move(plugin));
  *references_place(3) = nullptr;
  CHECK(report.outcome == ReportOutcome::Destroyed);
  INFO(names(report));
  REQUIRE(report.references.size() == 1);
  CHECK(report.references[0].kind == BERTH_REFERENCE_MODULE);
  CHECK(report.references[0].name == "libreferences_holder.so: references_registry+0x18");
  CHECK_THAT(report.references[0].target_name, Catch::Contains("left"));
  CHECK(report.references[0].at == nullptr);
  CHECK(report.references[0].target == nullptr);

  berth_unload_report plain{};
  plain.struct_size = sizeof(plain);
  REQUIRE(report.copy_to(&plain) == BERTH_OK);
  CHECK(plain.references == 1);
  CHECK_THAT(plain.reference_text, Catch::StartsWith("libreferences_holder.so: references_registry+0x18 (to "));
}

TEST_CASE("constants and texts count as well as functions") {
  Host host;
  Plugin plugin = host.load(BERTH_LEFT, options(References::Report));
  *references_place(1) = const_cast<char*>(plugin.symbol<const char*()>("left_text")());
  const UnloadReport report = unload(host, std::move(plugin));
  *references_place(1) = nullptr;
  INFO(names(report));
  REQUIRE(report.references.size() == 1);
  CHECK(report.references[0].name == "libreferences_holder.so: references_registry+0x8");
}

TEST_CASE("who refuses keeps the plugin as it is until nobody points into it") {
  Host host;
  Plugin plugin = host.load(BERTH_LEFT, options(References::Refuse));
  keep_callback(plugin, 2);
  for (int round = 0; round < 3; ++round) {
    Error error;
    const UnloadReport report = host.unload(std::move(plugin), error);
    CHECK(report.outcome == ReportOutcome::Refused);
    CHECK(error.status() == BERTH_ERR_BUSY);
    CHECK(error.why() == Cause::Referenced);
    CHECK_THAT(error.text(), Catch::Contains("references_registry+0x10"));
    REQUIRE(plugin);
    reinterpret_cast<Callback> (*references_place(2))(nullptr);
  }
  *references_place(2) = nullptr;
  const UnloadReport report = unload(host, std::move(plugin));
  INFO(names(report));
  CHECK(report.outcome == ReportOutcome::Destroyed);
}

TEST_CASE("what berth_detach takes back does not count, and what it leaves is looked at by reap") {
  Host host;
  Plugin plugin = host.load(BERTH_LEFT_TAKES_BACK, options(References::Refuse));
  REQUIRE(plugin.symbol<int()>("left_key")() == 1);
  UnloadReport report = unload(host, std::move(plugin));
  INFO(names(report));
  CHECK(report.outcome == ReportOutcome::Destroyed);

  plugin = host.load(BERTH_LEFT_TAKES_BACK, options(References::Refuse));
  keep_callback(plugin, 4);
  report = unload(host, std::move(plugin));
  CHECK(report.outcome == ReportOutcome::Zombie);
  CHECK(report.status == BERTH_ERR_STILL_MAPPED);
  CHECK(report.why == Cause::Referenced);
  REQUIRE(report.references.size() == 1);
  CHECK(host.reap().empty());
  reinterpret_cast<Callback> (*references_place(4))(nullptr);
  *references_place(4) = nullptr;
  const std::vector<UnloadReport> reports = host.reap();
  REQUIRE(reports.size() == 1);
  CHECK(reports[0].outcome == ReportOutcome::Destroyed);
  CHECK(host.zombies() == 0);
}

TEST_CASE("an object of a class of the plugin's in the host's heap") {
  Host host;
  Plugin plugin = host.load(BERTH_LEFT, options(References::Refuse));
  void* const object = plugin.symbol<void*()>("left_object")();
  Error error;
  host.unload(std::move(plugin), error);
  CHECK(error.why() == Cause::Referenced);
  CHECK_THAT(error.text(), Catch::Contains("the C library's heap (to .left"));
  plugin.symbol<void(void*)>("left_delete")(object);
  const UnloadReport report = unload(host, std::move(plugin));
  CHECK(report.outcome == ReportOutcome::Destroyed);
}

TEST_CASE("the destructor of a thread's key") {
  Host host;
  Plugin plugin = host.load(BERTH_LEFT, options(References::Refuse));
  REQUIRE(plugin.symbol<int()>("left_key")() == 1);
  Error error;
  host.unload(std::move(plugin), error);
  CHECK(error.why() == Cause::Referenced);
  CHECK_THAT(error.text(), Catch::Contains("libc.so"));
  plugin.symbol<void()>("left_give_back_key")();
  CHECK(unload(host, std::move(plugin)).outcome == ReportOutcome::Destroyed);
}

TEST_CASE("a timer of the plugin's") {
  Host host;
  Plugin plugin = host.load(BERTH_LEFT, options(References::Refuse));
  const timer_t timer = plugin.symbol<timer_t()>("left_timer")();
  Error error;
  host.unload(std::move(plugin), error);
  CHECK(error.status() == BERTH_ERR_BUSY);
  CHECK((error.why() == Cause::Referenced || error.why() == Cause::SignalHandler));
  timer_delete(timer);
  CHECK(unload(host, std::move(plugin)).outcome == ReportOutcome::Destroyed);
}

TEST_CASE("what the plugin registers for its own end is the loader's to take back") {
  Host host;
  for (const References check : {References::Report, References::Refuse}) {
    Plugin plugin = host.load(BERTH_LEFT, options(check));
    plugin.symbol<void()>("left_own_exit_function")();
    const UnloadReport report = unload(host, std::move(plugin));
    INFO(names(report));
    CHECK(report.outcome == ReportOutcome::Destroyed);
    CHECK(report.references.empty());
  }
}

TEST_CASE("the storage that the loader has made for threads goes with the module") {
  Host host;
  for (const References check : {References::Report, References::Refuse}) {
    Plugin plugin = host.load(BERTH_LEFT, options(check));
    auto* const use = plugin.symbol<char()>("left_thread_storage");
    CHECK(use() == 'a');
    std::promise<void> used, may_end;
    std::thread other([&, end = may_end.get_future()]() mutable {
      use();
      used.set_value();
      end.wait();
    });
    used.get_future().wait();
    Error error;
    const UnloadReport report = host.unload(std::move(plugin), error);
    may_end.set_value();
    other.join();
    CAPTURE(names(report), error.text());
    CHECK(report.outcome == ReportOutcome::Destroyed);
    CHECK(report.references.empty());
  }
}

TEST_CASE("of a module that its host has opened the report says what was not looked at") {
  Host host;
  for (const bool kept : {true, false}) {
    void* const handle = ::dlopen(BERTH_LEFT, RTLD_NOW | RTLD_LOCAL);
    REQUIRE(handle != nullptr);
    LoadOptions wanted;
    wanted.check_references = References::Report;
    Plugin plugin = host.adopt(handle, wanted);
    if (kept) keep_callback(plugin, 5);
    const UnloadReport report = unload(host, std::move(plugin));
    *references_place(5) = nullptr;
    CHECK(report.outcome == ReportOutcome::Destroyed);
    INFO(names(report));
    const bool found = std::any_of(report.references.begin(), report.references.end(), [](const Reference& reference) {
      return reference.name == "libreferences_holder.so: references_registry+0x28";
    });
    CHECK(found == kept);
    const bool doubts = report.references_unknown.find("before the module was opened") != std::string::npos;
    CHECK(doubts == !report.references.empty());
  }
}

TEST_CASE("the end of a text that was written over an address is none") {
  Host host;
  for (const std::string& before : {std::string("a path: "), std::string("\1\2\3\4\5\6\7\0", 8)}) {
    Plugin plugin = host.load(BERTH_LEFT, options(References::Report));
    const auto room = reinterpret_cast<std::uintptr_t>(plugin.symbol<char*()>("left_room")());
    // 'Z', zero, and what is left of an address.
    const std::uintptr_t word = ((room + 0xffff) & ~std::uintptr_t{0xffff}) | 'Z';
    const auto block = std::make_unique<char[]>(64);
    std::memcpy(block.get() + 16, before.data(), 8);
    std::memcpy(block.get() + 24, &word, sizeof(word));
    const UnloadReport report = unload(host, std::move(plugin));
    std::memset(block.get(), 0, 64);
    CAPTURE(before, names(report));
    CHECK(report.references.size() == (before[0] == 'a' ? 0u : 1u));
  }
}

// The last one: the plugin stays until the process has called that function.
TEST_CASE("a function for the process' end that the host has registered") {
  static Host host;
  static Plugin plugin = host.load(BERTH_LEFT, options(References::Refuse));
  plugin.symbol<void(int (*)(void (*)()))>("left_exit_function")(
      [](void (*function)()) { return std::atexit(function); });
  Error error;
  host.unload(std::move(plugin), error);
  CHECK(error.why() == Cause::Referenced);
  CHECK_THAT(error.text(), Catch::Contains("for the process' end"));
}

TEST_CASE("a clean plugin gives none, ten times") {
  const std::vector<std::string> clean = {"minimal",
                                          "plain",
                                          "gives",
                                          "calls_back",
                                          "calls_from_statics",
                                          "dependent",
                                          "chain_top",
                                          "standard_library",
                                          "strings_14",
                                          "strings_17",
                                          "strings_20",
                                          "formats_numbers",
                                          "allocates",
                                          "strings_unoptimised"};
  for (const std::string& name : clean) {
    for (int round = 0; round < 10; ++round) {
      Host host;
      LoadOptions wanted;
      wanted.check_references = round % 2 == 0 ? References::Report : References::Refuse;
      Plugin plugin = host.load(std::string(BERTH_FIXTURES "/") + name + ".so", wanted);
      Error error;
      for (const char* use : {"use_getline", "use_stringstream", "use_regex", "use_map", "use_thread", "use_throw",
                              "use_all_forms", "strings_keep_stream", "strings_drop"}) {
        if (auto* function = plugin.symbol<bool()>(use, error)) function();
      }
      error = Error();
      const UnloadReport report = host.unload(std::move(plugin), error);
      CAPTURE(name, round, error.text(), names(report));
      CHECK(report.outcome == ReportOutcome::Destroyed);
      CHECK(report.references.empty());
    }
  }
}

}  // namespace berth::tests
