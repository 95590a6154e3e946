// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
#include "table.hpp"

#include <algorithm>
#include <ostream>

namespace bench {
namespace {

using Line = std::vector<std::string>;

// The characters of a UTF-8 text.
std::size_t width_of(const std::string& text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

std::string targets_of(const Results& results, const Row& row) {
  std::string text;
  for (const Target& target : row.targets) {
    const Verdict verdict = judge(results, row, target);
    if (!verdict.ratio) continue;
    if (!text.empty()) text += "; ";
    if (target.column != "berth") text += std::string(target.column) + " ";
    text += show(*verdict.ratio) + " " + verdict.text + (verdict.holds ? " ok" : " MISSED");
  }
  return text;
}

std::vector<Line> lines_of(const Results& results) {
  const std::vector<std::string_view> present = present_columns(results);
  Line head{"case"};
  head.insert(head.end(), present.begin(), present.end());
  head.emplace_back("ratio and target");
  std::vector<Line> lines{head};
  for (const Row& row : rows()) {
    if (!results.cells.contains(row.name)) continue;
    Line line{title_of(row)};
    for (const std::string_view column : present) {
      const auto value = results.value(row.name, column);
      line.push_back(value ? show(*value) : "-");
    }
    line.push_back(targets_of(results, row));
    lines.push_back(std::move(line));
  }
  return lines;
}

}  // namespace

std::vector<std::string_view> present_columns(const Results& results) {
  std::vector<std::string_view> present;
  for (const Column& column : columns()) {
    if (results.peers.contains(column.name)) present.push_back(column.name);
  }
  return present;
}

std::string title_of(const Row& row) {
  std::string title(row.name.substr(0, 1));
  title.append("  ").append(row.title);
  if (!row.unit.empty()) title.append(", ").append(row.unit);
  return title;
}

void print_machine(const Results& results, std::ostream& out) {
  const Machine& machine = results.machine;
  out << machine.processor << ", " << machine.processors << " processors, " << machine.kernel
      << ", huge pages: " << machine.huge_pages << ", load " << show(machine.load_before) << " before and "
      << show(machine.load_after) << " after\n";
  for (const auto& [column, peer] : results.peers) out << column << ": " << peer.version << ", " << peer.path << '\n';
}

void print_table(const Results& results, std::ostream& out) {
  constexpr std::size_t kGap = 2;
  const std::vector<Line> lines = lines_of(results);
  std::vector<std::size_t> widths(lines.front().size());
  for (const Line& line : lines) {
    for (std::size_t i = 0; i < line.size(); ++i) widths[i] = std::max(widths[i], width_of(line[i]));
  }
  for (const Line& line : lines) {
    std::string text;
    for (std::size_t i = 0; i < line.size(); ++i) {
      const std::string padding(widths[i] - width_of(line[i]), ' ');
      const bool left = i == 0 || i + 1 == line.size();
      if (i != 0) text.append(kGap, ' ');
      text += left ? line[i] + padding : padding + line[i];
    }
    text.erase(text.find_last_not_of(' ') + 1);
    out << text << '\n';
  }
}

void print_summary(const Results& results, std::ostream& out) {
  std::size_t held = 0;
  std::size_t judged = 0;
  for (const Row& row : rows()) {
    for (const Target& target : row.targets) {
      const Verdict verdict = judge(results, row, target);
      judged += verdict.ratio ? 1 : 0;
      held += verdict.ratio && verdict.holds ? 1 : 0;
    }
  }
  for (const auto& [row, of_row] : results.cells) {
    for (const auto& [column, cell] : of_row) {
      if (cell.failed) out << "FAILED: " << row << ", " << column << ": " << cell.reason << '\n';
    }
  }
  out << held << " of " << judged << " targets hold\n";
}

}  // namespace bench
