// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Modules that a plugin opens itself: what it leaves open is listed with what is metered of it, before and after the
// unload, in C++ and in C; what it closes, and what others open, is not.
#include <dlfcn.h>

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "host_api/src/hosts/part_account.hpp"
#include "host_fixtures.hpp"
#include "support/catch.hpp"

using namespace berth::tests;
using berth::Metering;
using berth::PartReport;
using Outcome = berth::UnloadReport::Outcome;
using Files = std::vector<std::string>;

namespace {

Files files(const std::vector<PartReport>& parts) {
  Files names;
  for (const PartReport& part : parts) names.push_back(part.path.filename().string());
  std::ranges::sort(names);
  return names;
}

void* open_part(const berth::Plugin& plugin, const std::string& file, int mode = RTLD_NOW) {
  void* const part = plugin.symbol<void*(const char*, int)>("opens_part")(file.c_str(), mode);
  REQUIRE(part != nullptr);
  return part;
}

// What was left open, so that no later test finds it.
void close_rest(void* part) { CHECK(::dlclose(part) == 0); }

// The report says what the Plugin did.
berth::UnloadReport unload_alike(berth::Host& host, berth::Plugin& plugin) {
  const std::vector<PartReport> before = plugin.parts();
  berth::UnloadReport report = host.unload(std::move(plugin));
  CHECK(files(report.parts) == files(before));
  CHECK(report.parts_uncounted == 0);
  return report;
}

}  // namespace

TEST_CASE("a part that a plugin leaves open is listed with what is metered of it", "[parts]") {
  for (const int mode : {RTLD_NOW, RTLD_LAZY | RTLD_GLOBAL, RTLD_NOW | RTLD_LOCAL | RTLD_DEEPBIND}) {
    if ((mode & RTLD_DEEPBIND) != 0 && kSanitized) continue;
    berth::Host host;
    berth::Plugin plugin = host.load(fixture("opens_parts"));
    CHECK(plugin.parts().empty());
    CHECK(plugin.metering() == Metering::Whole);
    void* const part = open_part(plugin, fixture("allocates"), mode);

    REQUIRE(files(plugin.parts()) == Files{"allocates.so"});
    CHECK(plugin.parts()[0].path == fixture("allocates"));
    CHECK(plugin.parts()[0].certain);
    CHECK(plugin.metering() == Metering::Partly);
    CHECK(plugin.metering_text() == "allocates.so, which it has opened: it imports malloc, strdup");

    const berth::UnloadReport report = unload_alike(host, plugin);
    CHECK(report.outcome == Outcome::Destroyed);
    REQUIRE(report.parts.size() == 1);
    CHECK(report.parts[0].metering == Metering::Not);
    CHECK(report.parts[0].metering_text == "it imports malloc, strdup");
    CHECK(report.metering == Metering::Partly);
    CHECK(contains(report.metering_text, "allocates.so"));
    berth_unload_report plain{};
    plain.struct_size = sizeof(plain);
    REQUIRE(report.copy_to(&plain) == BERTH_OK);
    CHECK(plain.parts == 1);
    CHECK(plain.parts_uncertain == 0);
    CHECK(std::string(plain.part_text) == fixture("allocates").string() + ": it imports malloc, strdup");
    CHECK(is_mapped("allocates"));
    close_rest(part);
    CHECK_FALSE(is_mapped("allocates"));
  }
}

TEST_CASE("a part that a static constructor or destructor opens is listed, and by its name alone", "[parts]") {
  berth::Host host;
  // By the plugin's own run path; a sanitizer's dlopen calls from elsewhere.
  const std::string name = kSanitized ? fixture("allocates").string() : "allocates.so";
  REQUIRE(::setenv("BERTH_TEST_PART", name.c_str(), 1) == 0);
  berth::Plugin plugin = host.load(fixture("opens_parts"));
  REQUIRE(::unsetenv("BERTH_TEST_PART") == 0);
  void* const first = plugin.symbol<void*()>("first_part")();
  REQUIRE(first != nullptr);
  CHECK(files(plugin.parts()) == Files{"allocates.so"});
  const std::string at_end = fixture("chain_end").string();
  plugin.symbol<void(const char*)>("open_at_end")(at_end.c_str());
  const berth::UnloadReport report = host.unload(std::move(plugin));
  CHECK(report.outcome == Outcome::Destroyed);
  CHECK(files(report.parts) == Files{"allocates.so", "chain_end.so"});
  close_rest(first);
  void* const last = ::dlopen(fixture("chain_end").c_str(), RTLD_NOW | RTLD_NOLOAD);
  REQUIRE(last != nullptr);
  close_rest(last);
  close_rest(last);
}

TEST_CASE("a part that the plugin closes is not listed, however late it does", "[parts]") {
  berth::Host host;
  berth::Plugin plugin = host.load(fixture("opens_parts"));
  void* const twice = open_part(plugin, fixture("allocates"));
  CHECK(open_part(plugin, fixture("allocates")) == twice);
  const auto close = plugin.symbol<int(void*)>("closes_part");
  CHECK(close(twice) == 0);
  CHECK(files(plugin.parts()) == Files{"allocates.so"});
  CHECK(close(twice) == 0);
  CHECK(plugin.parts().empty());
  CHECK(plugin.metering() == Metering::Whole);

  // Somebody else has it open as well, so that it stays.
  void* const ours = ::dlopen(fixture("plain").c_str(), RTLD_NOW);
  REQUIRE(ours != nullptr);
  plugin.symbol<void(void*)>("close_at_end")(open_part(plugin, fixture("plain")));
  CHECK(files(plugin.parts()) == Files{"plain.so"});
  CHECK(host.unload(std::move(plugin)).parts.empty());
  close_rest(ours);
}

TEST_CASE("what a host or another plugin opens is not the plugin's part", "[parts]") {
  berth::Host host;
  void* const before = ::dlopen(fixture("plain").c_str(), RTLD_NOW);
  berth::Plugin plugin = host.load(fixture("opens_parts"));
  berth::LoadOptions options;
  options.private_copy = true;
  options.name = "other";
  berth::Plugin other = host.load(fixture("opens_parts"), options);
  void* const meanwhile = ::dlopen(fixture("chain_end").c_str(), RTLD_NOW);
  void* const others = open_part(other, fixture("allocates"));
  CHECK(plugin.parts().empty());
  CHECK(files(other.parts()) == Files{"allocates.so"});
  CHECK(unload_alike(host, plugin).parts.empty());
  CHECK(files(unload_alike(host, other).parts) == Files{"allocates.so"});
  for (void* const part : {before, meanwhile, others}) close_rest(part);
}

TEST_CASE("of two plugins that open the same part the one that leaves it open is told", "[parts]") {
  berth::Host host;
  berth::Plugin first = host.load(fixture("opens_parts"));
  berth::LoadOptions options;
  options.private_copy = true;
  options.name = "second";
  berth::Plugin second = host.load(fixture("opens_parts"), options);
  void* const part = open_part(first, fixture("allocates"));
  CHECK(open_part(second, fixture("allocates")) == part);
  CHECK(files(first.parts()) == Files{"allocates.so"});
  CHECK(files(second.parts()) == Files{"allocates.so"});
  CHECK(first.symbol<int(void*)>("closes_part")(part) == 0);
  CHECK(unload_alike(host, first).parts.empty());
  CHECK(files(unload_alike(host, second).parts) == Files{"allocates.so"});
  close_rest(part);
}

TEST_CASE("a part's own libraries and parts count with it", "[parts]") {
  berth::Host host;
  berth::Plugin plugin = host.load(fixture("opens_parts"));
  void* const with_library = open_part(plugin, fixture("allocates_through"));
  REQUIRE(files(plugin.parts()) == Files{"allocates_through.so"});
  CHECK(contains(plugin.parts()[0].metering_text, "allocates_library.so, which came with it: it imports malloc"));
  CHECK(plugin.metering() == Metering::Partly);

  // One part that keeps count of what it opens, and one that does not.
  for (const bool counts : {true, false}) {
    void* const opener = open_part(plugin, fixture(counts ? "part_that_opens" : "opens_parts_uncounted"));
    const auto opens = reinterpret_cast<void* (*)(const char*, int)>(::dlsym(opener, "opens_part"));
    REQUIRE(opens != nullptr);
    void* const part = opens(fixture("allocates").c_str(), RTLD_NOW);
    REQUIRE(part != nullptr);
    const std::vector<PartReport> parts = plugin.parts();
    const auto found = std::ranges::find(parts, fixture("allocates"), &PartReport::path);
    REQUIRE(found != parts.end());
    CHECK(found->certain == counts);
    CHECK(parts.size() == 3);
    CHECK(plugin.symbol<int(void*)>("closes_part")(opener) == 0);
    close_rest(part);
  }
  CHECK(files(unload_alike(host, plugin).parts) == Files{"allocates_through.so"});
  close_rest(with_library);
}

TEST_CASE("what a plugin that keeps no count has opened is called uncertain", "[parts]") {
  berth::Host host;
  berth::Plugin bystander = host.load(fixture("opens_parts"));
  berth::Plugin plugin = host.load(fixture("opens_parts_uncounted"));
  CHECK(plugin.parts().empty());
  void* const part = open_part(plugin, fixture("allocates"));
  void* const others = open_part(bystander, fixture("plain"));
  CHECK(files(plugin.parts()) == Files{"allocates.so"});
  const berth::UnloadReport report = unload_alike(host, plugin);
  REQUIRE(report.parts.size() == 1);
  CHECK_FALSE(report.parts[0].certain);
  berth_unload_report plain{};
  plain.struct_size = sizeof(plain);
  REQUIRE(report.copy_to(&plain) == BERTH_OK);
  CHECK(plain.parts == 1);
  CHECK(plain.parts_uncertain == 1);
  CHECK(files(host.unload(std::move(bystander)).parts) == Files{"plain.so"});
  close_rest(part);
  close_rest(others);
}

TEST_CASE("a part in a namespace of its own is listed", "[parts]") {
  if (kSanitized) return;  // their runtimes are not for two namespaces
  berth::Host host;
  berth::Plugin plugin = host.load(fixture("opens_parts"));
  void* const part = plugin.symbol<void*(const char*)>("opens_part_elsewhere")(fixture("allocates").c_str());
  REQUIRE(part != nullptr);
  REQUIRE(files(plugin.parts()) == Files{"allocates.so"});
  CHECK(contains(plugin.parts()[0].metering_text, "namespace"));
  CHECK(plugin.metering() == Metering::Partly);
  CHECK(files(unload_alike(host, plugin).parts) == Files{"allocates.so"});
  close_rest(part);
}

TEST_CASE("a plugin that has opened itself, or a part that uses its instance, is told as the cause", "[parts]") {
  berth::Host host;
  {
    berth::Plugin plugin = host.load(fixture("opens_parts"));
    void* const itself = open_part(plugin, fixture("opens_parts"));
    CHECK(plugin.parts().empty());
    const berth::UnloadReport report = host.unload(std::move(plugin));
    CHECK(report.outcome == Outcome::Zombie);
    CHECK(report.why == berth::Cause::OtherReference);
    CHECK(contains(report.cause, "it has opened itself"));
    close_rest(itself);
    CHECK(host.reap().size() == 1);
  }
  REQUIRE(::setenv("BERTH_TEST_PART", fixture("standard_library").c_str(), 1) == 0);
  berth::Plugin plugin = host.load(fixture("opens_parts"));
  REQUIRE(::unsetenv("BERTH_TEST_PART") == 0);
  void* const part = plugin.symbol<void*()>("first_part")();
  REQUIRE(files(plugin.parts()) == Files{"standard_library.so"});
  CHECK(plugin.parts()[0].metering == Metering::Whole);
  CHECK(plugin.metering() == Metering::Whole);
  const berth::UnloadReport report = host.unload(std::move(plugin));
  CHECK(report.outcome == Outcome::Zombie);
  CHECK(contains(report.cause, "standard_library.so"));
  CHECK(contains(report.cause, "the plugin has opened it and not closed it"));
  CHECK(files(report.parts) == Files{"standard_library.so"});
  close_rest(part);
  CHECK(host.reap().size() == 1);
}

TEST_CASE("references to more modules than a plugin's count has room for are counted", "[parts]") {
  berth::detail::PartTable table;
  constexpr std::size_t kOpened = berth::detail::PartTable::kMost + 72;
  std::vector<unsigned char> modules(kOpened);
  for (const unsigned char& module : modules) table.add(&module);
  CHECK(table.uncounted() == 72);
  CHECK(table.has(&modules.front()));
  CHECK_FALSE(table.has(&modules.back()));
  CHECK_FALSE(table.remove(&modules.back()));
  CHECK(table.remove(&modules.front()));
  CHECK_FALSE(table.has(&modules.front()));
  constexpr std::size_t kOften = 100'000;  // more than a place counts
  for (std::size_t i = 0; i < kOften; ++i) table.add(&modules[1]);
  CHECK(table.remove(&modules[1]));
  CHECK(table.has(&modules[1]));
}

TEST_CASE("the C library and its kin are nobody's part", "[parts]") {
  berth::Host host;
  berth::Plugin plugin = host.load(fixture("opens_parts"));
  for (const char* name : {"libc.so.6", "libm.so.6"}) open_part(plugin, name);
  CHECK(plugin.symbol<void*(const char*, int)>("opens_part")(nullptr, RTLD_NOW) != nullptr);
  CHECK(plugin.symbol<void*(const char*, int)>("opens_part")("/no/such/file.so", RTLD_NOW) == nullptr);
  CHECK(unload_alike(host, plugin).parts.empty());
}
