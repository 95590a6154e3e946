// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// How much of a plugin is metered, and why not the whole: told before and after the unload, in C++ and in C.
#include <cstddef>
#include <filesystem>
#include <utility>

#include "host_fixtures.hpp"
#include "support/catch.hpp"

using namespace berth::tests;
using berth::Metering;

namespace {

struct Seen {
  Metering metering;
  std::string text;
};

// What the Plugin says; the report and the C report must say the same.
Seen seen(const std::string& name) {
  berth::Host host;
  berth::Plugin plugin = host.load(fixture(name));
  const Seen before{plugin.metering(), plugin.metering_text()};
  const berth::UnloadReport report = host.unload(std::move(plugin));
  CHECK(report.metering == before.metering);
  CHECK(report.metering_text == before.text);
  CHECK(before.text.empty() == (before.metering == Metering::Whole));
  berth_unload_report plain{};
  plain.struct_size = sizeof(plain);
  REQUIRE(report.copy_to(&plain) == BERTH_OK);
  CHECK(plain.metering == static_cast<std::uint32_t>(before.metering));
  CHECK(std::string(plain.metering_text) == before.text.substr(0, BERTH_REPORT_TEXT_BYTES - 1));
  return before;
}

}  // namespace

TEST_CASE("a plugin whose every allocation is its instance's is metered whole", "[metering]") {
  for (const char* name : {"standard_library", "strings_14", "strings_17", "strings_20", "minimal"}) {
    const Seen it = seen(name);
    CAPTURE(name, it.text);
    CHECK(it.metering == Metering::Whole);
  }
}

TEST_CASE("a plugin without Berth is not metered, and what it imports is named", "[metering]") {
  const Seen plain = seen("plain");
  CHECK(plain.metering == Metering::Not);
  CHECK(plain.text == "it has no Berth in it and imports no allocator");
  const Seen allocates = seen("allocates");
  CHECK(allocates.metering == Metering::Not);
  CHECK(allocates.text == "it has no Berth in it and imports malloc, strdup");
}

TEST_CASE("a plugin that takes the handle and calls malloc as well is metered in part", "[metering]") {
  const Seen it = seen("allocates_too");
  CHECK(it.metering == Metering::Partly);
  CHECK(it.text == "it imports malloc, strdup");
}

TEST_CASE("a library that came with a plugin counts, and is named", "[metering]") {
  const Seen it = seen("allocates_through");
  CHECK(it.metering == Metering::Not);
  CHECK(contains(it.text, "allocates_library.so, which came with it: it imports malloc"));
}

TEST_CASE("an operator new that was loaded for no instance is told", "[metering]") {
  void* handle = open_elsewhere(fixture("strings_20"));
  REQUIRE(handle != nullptr);
  berth::Host host;
  berth::Plugin plugin = host.adopt(handle);
  CHECK(plugin.metering() == Metering::Not);
  CHECK(contains(plugin.metering_text(), "for no instance"));
  CHECK(host.unload(std::move(plugin)).metering == Metering::Not);
}

TEST_CASE("what the C++ library allocates for a plugin is told by the part of it that does", "[metering]") {
  const struct {
    const char* use;
    const char* reason;  // nullptr: none, the whole is metered
  } uses[] = {{"VECTOR", nullptr},
              {"STRING", nullptr},
              {"FILESYSTEM", "what std::filesystem gives it is allocated inside libstdc++.so.6"},
              {"FILE_STREAM", "the buffers of its file streams are allocated inside libstdc++.so.6"},
              {"STRSTREAM", "its strstreams are grown inside libstdc++.so.6"},
              {"PMR", "what std::pmr gives it is allocated inside libstdc++.so.6"},
              {"POOL", "the pools of its allocators are filled inside libstdc++.so.6"}};
  for (const auto& [use, reason] : uses) {
    const Seen it = seen(std::string("library_memory_") + use);
    CAPTURE(use, it.text);
    CHECK(it.metering == (reason == nullptr ? Metering::Whole : Metering::Partly));
    CHECK(it.text == (reason == nullptr ? "" : reason));
  }
}

TEST_CASE("of a plugin with clang's own C++ library is told what goes past its instance", "[metering]") {
  if (!std::filesystem::exists(fixture("library_memory_VECTOR_libcxx"))) {
    WARN("there is no libc++ here: not tested");
    return;
  }
  const Seen vector = seen("library_memory_VECTOR_libcxx");
  CAPTURE(vector.text);
  CHECK(vector.metering == Metering::Whole);
  const Seen string = seen("library_memory_STRING_libcxx");
  CHECK(string.metering == Metering::Partly);
  CHECK(string.text == "its strings are grown inside libc++.so.1");
  const Seen filesystem = seen("library_memory_FILESYSTEM_libcxx");
  CHECK(filesystem.metering == Metering::Partly);
  CHECK(contains(filesystem.text, "what std::filesystem gives it is allocated inside libc++.so.1"));

  // What is said to be metered is.
  berth::Host host;
  for (const char* name : {"library_memory_VECTOR", "library_memory_VECTOR_libcxx"}) {
    berth::Plugin plugin = host.load(fixture(name));
    CHECK(plugin.symbol<std::size_t(const char*, std::size_t)>("work")("text", 100'000) == 100'000);
    CHECK(statistics_of(plugin.instance()).peak_committed_bytes >= 100'000 * sizeof(void*));
    CHECK(host.unload(std::move(plugin)).live_blocks == 0);
  }
}
