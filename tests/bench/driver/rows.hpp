// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// What is measured: the cases, the rows that each of them fills, and the targets that Berth is held to.
#pragma once

#include <span>
#include <string_view>

namespace bench {

// The columns, and the programs bench_<program> that fill them.
struct Column {
  std::string_view name;
  std::string_view program;
  std::string_view variant;
  std::string_view cases;  // those that are run; empty: all
  bool packaged = false;   // an allocator to compare with
};
std::span<const Column> columns();

struct Case {
  std::string_view name;
  int repetitions;
  int quick_repetitions;
};
std::span<const Case> cases();

// value <= factor x reference, or value >= factor x reference where more is better.
struct Target {
  double factor;
  std::string_view reference_column;  // kAbsolute: the factor is the bound; kBestPackaged: whichever is best there
  std::string_view reference_row;     // empty: the same row
  std::string_view column = "berth";  // whose value is judged
};
inline constexpr std::string_view kAbsolute = "";
inline constexpr std::string_view kBestPackaged = "best packaged";

struct Row {
  std::string_view name;  // as the programs print it; its first letter is the case
  std::string_view title;
  std::string_view unit;
  bool more_is_better = false;
  std::span<const Target> targets{};
  bool on_page = false;
};
std::span<const Row> rows();
const Row* find_row(std::string_view name);

}  // namespace bench
