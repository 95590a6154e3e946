// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Strings of plugins that are compiled by each C++ standard: whichever function makes one grow, and whether libstdc++
// has that function compiled, the block is the instance's. What berth::plugin_new brings for that reads as libstdc++.
#include <string>
#include <vector>

#include "fixtures/pieces.hpp"
#include "host_fixtures.hpp"
#include "support/catch.hpp"

using namespace berth::tests;

namespace {

std::vector<std::string> compiled() {
  std::vector<std::string> names = {"strings_14", "strings_17", "strings_20", "strings_unoptimised"};
  if (std::filesystem::exists(fixture("strings_17_other"))) names.emplace_back("strings_17_other");
  return names;
}

}  // namespace

TEST_CASE("each string of a plugin is its instance's, by every C++ standard") {
  for (const std::string& name : compiled()) {
    CAPTURE(name);
    berth::Host host;
    berth::Plugin plugin = host.load(fixture(name));
    auto* make = plugin.symbol<const void*(std::size_t)>("strings_make");
    const std::size_t before = statistics_of(plugin.instance()).live_blocks;
    const std::size_t ways = plugin.symbol<std::size_t()>("strings_ways")();
    REQUIRE(ways >= 20);
    for (std::size_t way = 0; way < ways; ++way) {
      CAPTURE(way);
      CHECK(berth_find_owner(make(way)) == plugin.instance());
    }
    plugin.symbol<void()>("strings_drop")();
    CHECK(statistics_of(plugin.instance()).live_blocks == before);

    const std::size_t bytes = statistics_of(plugin.instance()).live_bytes;
    plugin.symbol<void()>("strings_keep_stream")();
    CHECK(statistics_of(plugin.instance()).live_bytes >= bytes + 6000);
    // What is not dropped goes with the plugin, and the module leaves.
    host.unload(std::move(plugin));
    CHECK_FALSE(is_mapped(name));
  }
}

TEST_CASE("a plugin reads strings as libstdc++ does") {
  const std::vector<std::string> texts = {"",
                                          "\n",
                                          "one",
                                          " one two  three\nfour\n\nfive\tsix",
                                          "one two\n",
                                          "a line! that its buffer refuses\n",
                                          "!",
                                          "\n!x",
                                          std::string(300, 'l') + "\n" + std::string(300, 'w') + " "};
  for (const std::string& name : compiled()) {
    berth::Host host;
    berth::Plugin plugin = host.load(fixture(name));
    auto* read = plugin.symbol<void(const char*, const pieces::Reading*, std::string*)>("strings_read");
    for (const std::string& text : texts) {
      for (const std::size_t piece : {0u, 1u, 2u, 3u, 7u, 1000u}) {
        for (const int width : {0, 1, 3, 100}) {
          // Where the width ends, libstdc++ has looked at the next character, too, which may not come.
          if (contains(text, "!") && width > 0 && width < 100) continue;
          for (const bool lines : {false, true}) {
            for (const auto throws : {std::ios_base::goodbit, std::ios_base::eofbit, std::ios_base::failbit,
                                      std::ios_base::badbit, std::ios_base::badbit | std::ios_base::failbit}) {
              const pieces::Reading reading{piece, width, lines, throws};
              CAPTURE(name, text, piece, width, lines, throws);
              std::string found;
              read(text.c_str(), &reading, &found);
              REQUIRE(found == pieces::read_all(text, reading));
            }
          }
        }
      }
    }
  }
}
