// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// `sample_host demo`: one screen that has what it is to show.
#include <algorithm>
#include <array>
#include <sstream>
#include <string>

#include "program.hpp"
#include "support/catch.hpp"
#include "support/texts.hpp"

namespace {

using berth::tests::contains;

// The characters of a line in UTF-8.
std::size_t width_of(const std::string& line) {
  return static_cast<std::size_t>(
      std::count_if(line.begin(), line.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

std::string line_with(const std::string& text, const std::string& start) {
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with(start)) return line;
  }
  return {};
}

// The height of the last block character of a line, 0 ... 7; -1 without one.
int last_level(const std::string& line) {
  int level = -1;
  std::size_t last = 0;
  constexpr std::array kBlocks{"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
  for (std::size_t i = 0; i < kBlocks.size(); i++) {
    const std::size_t at = line.rfind(kBlocks[i]);
    if (at == std::string::npos || at < last) continue;
    last = at;
    level = static_cast<int>(i);
  }
  return level;
}

}  // namespace

TEST_CASE("the demo shows everything on one screen") {
  const Outcome outcome = run_sample_host({"demo"});
  INFO(outcome.out << outcome.err);
  CHECK(outcome.status == 0);
  CHECK(outcome.err.empty());

  const auto lines = std::count(outcome.out.begin(), outcome.out.end(), '\n');
  CHECK((lines >= 24 && lines <= 40));
  std::istringstream text(outcome.out);
  for (std::string line; std::getline(text, line);) {
    INFO(line);
    CHECK(width_of(line) <= 80);
  }

  for (const char* plugin : {"lua ", "sqlite ", "expat ", "index ", "leaky "}) {
    INFO(plugin);
    CHECK_FALSE(line_with(outcome.out, plugin).empty());
  }
  CHECK(contains(line_with(outcome.out, "leaky "), " blocks "));
  CHECK(last_level(line_with(outcome.out, "C library")) >= last_level(line_with(outcome.out, "Berth  ")) + 4);
  CHECK(contains(outcome.out, "plugin \"frees its input\""));
  CHECK(contains(outcome.out, "plugin \"index\""));
  CHECK(contains(outcome.out, "VERDICT: everything went back"));
}
