// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// What a run gave, and how it is kept: one JSON file with the machine named in it.
#pragma once

#include <map>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "rows.hpp"

namespace bench {

struct Machine {
  std::string processor;
  int processors = 0;
  std::string kernel;
  std::string huge_pages;  // the mode chosen in /sys/kernel/mm/transparent_hugepage/enabled
  double load_before = 0;  // load averages of the last minute: a run among other work is worth little
  double load_after = 0;

  static Machine here();
  static double load();
};

struct Peer {
  std::string version;
  std::string path;
};

struct Cell {
  std::vector<double> values;  // one per repetition
  std::string reason;          // why there is none
  bool failed = false;         // there should be one
  std::optional<double> median() const;
};

struct Results {
  Machine machine;
  std::string effort;
  std::map<std::string, Peer, std::less<>> peers;  // by column; one that is not installed is missing
  std::map<std::string, std::map<std::string, Cell, std::less<>>, std::less<>> cells;  // by row and column

  bool any_failed() const;
  const Cell* find(std::string_view row, std::string_view column) const;
  std::optional<double> value(std::string_view row, std::string_view column) const;
};

nlohmann::json to_json(const Results& results);
Results from_json(const nlohmann::json& json);

// How a target came out. Without one of the two values there is nothing to judge.
struct Verdict {
  std::string text;  // "≤ 0.42 × mimalloc"
  std::optional<double> ratio;
  bool holds = false;
};
Verdict judge(const Results& results, const Row& row, const Target& target);

// A number with three significant digits.
std::string show(double value);

}  // namespace bench
