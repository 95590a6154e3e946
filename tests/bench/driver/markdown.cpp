// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
#include <stdexcept>

#include "publish.hpp"
#include "table.hpp"

namespace bench {
namespace {

constexpr std::string_view kBegin = "<!-- benchmark: begin -->\n";
constexpr std::string_view kEnd = "<!-- benchmark: end -->";

std::string line_of(const std::vector<std::string>& cells) {
  std::string line = "|";
  for (const std::string& cell : cells) line.append(" ").append(cell).append(" |");
  return line.append("\n");
}

std::string machine_of(const Results& results) {
  const Machine& machine = results.machine;
  std::string text = "Measured on ";
  text.append(machine.processor).append(", ").append(std::to_string(machine.processors)).append(" processors, ");
  text.append(machine.kernel).append(", huge pages on `").append(machine.huge_pages).append("`; medians.");
  for (const Column& column : columns()) {
    const auto peer = results.peers.find(column.name);
    if (!column.packaged || peer == results.peers.end()) continue;
    text.append(" ").append(column.name).append(" ").append(peer->second.version).append(".");
  }
  return text.append("\n");
}

}  // namespace

std::string unfit_to_publish(const Results& results) {
  constexpr double kQuiet = 0.5;  // load average beside the benchmark itself, which has not begun
  if (results.effort != "full") return "only a full run is";
  if (results.any_failed()) return "a program failed";
  if (results.machine.load_before > kQuiet) return "the machine was busy: load " + show(results.machine.load_before);
  for (const Row& row : rows()) {
    if (!results.value(row.name, "berth")) return std::string(row.name).append(" was not measured");
  }
  return {};
}

std::string markdown(const Results& results) {
  const std::vector<std::string_view> present = present_columns(results);
  std::vector<std::string> head{"case"};
  std::vector<std::string> rule{"---"};
  for (const std::string_view column : present) {
    head.emplace_back(column);
    rule.emplace_back("--:");
  }
  std::string text = machine_of(results) + "\n" + line_of(head) + line_of(rule);
  for (const Row& row : rows()) {
    if (!row.on_page) continue;
    std::vector<std::string> cells{title_of(row)};
    for (const std::string_view column : present) {
      const auto value = results.value(row.name, column);
      cells.push_back(!value              ? ""
                      : column == "berth" ? std::string("**").append(show(*value)).append("**")
                                          : show(*value));
    }
    text += line_of(cells);
  }
  return text;
}

std::string replace_between_marks(const std::string& text, const std::string& replacement) {
  const std::size_t begin = text.find(kBegin);
  const std::size_t end = text.find(kEnd);
  if (begin == std::string::npos || end == std::string::npos || end < begin) {
    throw std::runtime_error("the text has no two marks for the benchmark");
  }
  return text.substr(0, begin + kBegin.size()).append("\n").append(replacement).append("\n").append(text.substr(end));
}

}  // namespace bench
