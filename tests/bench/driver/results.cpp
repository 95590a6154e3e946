// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
#include "results.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>

namespace bench {
namespace {

// The peer that does best in a row, of those that come in packages.
std::optional<double> best_packaged(const Results& results, const Row& row) {
  std::optional<double> best;
  for (const Column& column : columns()) {
    const std::optional<double> value = column.packaged ? results.value(row.name, column.name) : std::nullopt;
    if (value && (!best || (row.more_is_better ? *value > *best : *value < *best))) best = value;
  }
  return best;
}

}  // namespace

std::optional<double> Cell::median() const {
  if (values.empty()) return std::nullopt;
  std::vector<double> sorted = values;
  std::sort(sorted.begin(), sorted.end());
  const std::size_t middle = sorted.size() / 2;
  return sorted.size() % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

bool Results::any_failed() const {
  for (const auto& [row, of_row] : cells) {
    for (const auto& [column, cell] : of_row) {
      if (cell.failed) return true;
    }
  }
  return false;
}

const Cell* Results::find(std::string_view row, std::string_view column) const {
  const auto of_row = cells.find(row);
  if (of_row == cells.end()) return nullptr;
  const auto of_column = of_row->second.find(column);
  return of_column == of_row->second.end() ? nullptr : &of_column->second;
}

std::optional<double> Results::value(std::string_view row, std::string_view column) const {
  const Cell* const cell = find(row, column);
  return cell == nullptr ? std::nullopt : cell->median();
}

Verdict judge(const Results& results, const Row& row, const Target& target) {
  Verdict verdict;
  const std::string_view reference_row = target.reference_row.empty() ? row.name : target.reference_row;
  verdict.text = std::string(row.more_is_better ? "≥ " : "≤ ").append(show(target.factor));
  std::optional<double> reference = 1;
  if (target.reference_column == kBestPackaged) {
    verdict.text += " × best peer";
    reference = best_packaged(results, row);
  } else if (target.reference_column != kAbsolute) {
    verdict.text.append(" × ").append(target.reference_column);
    if (reference_row != row.name) verdict.text.append(" ").append(reference_row);
    reference = results.value(reference_row, target.reference_column);
  }
  const std::optional<double> value = results.value(row.name, target.column);
  if (!value || !reference) return verdict;
  const bool absolute = target.reference_column == kAbsolute;
  if (!absolute && *reference == 0) return verdict;
  verdict.ratio = absolute ? *value : *value / *reference;
  verdict.holds = row.more_is_better ? *verdict.ratio >= target.factor : *verdict.ratio <= target.factor;
  return verdict;
}

std::string show(double value) {
  const double size = std::abs(value);
  const int decimals = size >= 100 || value == std::floor(value) ? 0 : size >= 10 ? 1 : 2;
  char text[64];
  const int length = std::snprintf(text, sizeof(text), "%.*f", decimals, value);
  constexpr int kGroup = 3;
  std::string shown;
  for (int i = 0; i < length; ++i) {
    const bool is_group_start = decimals == 0 && i > (value < 0 ? 1 : 0) && (length - i) % kGroup == 0;
    if (is_group_start) shown += ',';
    shown += text[i];
  }
  return shown;
}

nlohmann::json to_json(const Results& results) {
  const Machine& machine = results.machine;
  nlohmann::json json{{"effort", results.effort},
                      {"machine",
                       {{"processor", machine.processor},
                        {"processors", machine.processors},
                        {"kernel", machine.kernel},
                        {"huge_pages", machine.huge_pages},
                        {"load_before", machine.load_before},
                        {"load_after", machine.load_after}}}};
  for (const auto& [column, peer] : results.peers) {
    json["peers"][column] = {{"version", peer.version}, {"path", peer.path}};
  }
  for (const auto& [row, of_row] : results.cells) {
    for (const auto& [column, cell] : of_row) {
      nlohmann::json& place = json["rows"][row][column];
      if (cell.values.empty()) {
        place = {{"none", cell.reason}, {"failed", cell.failed}};
      } else {
        place = {{"median", *cell.median()}, {"values", cell.values}};
      }
    }
  }
  return json;
}

Results from_json(const nlohmann::json& json) {
  Results results;
  results.effort = json.at("effort");
  const nlohmann::json& machine = json.at("machine");
  results.machine.processor = machine.at("processor");
  results.machine.processors = machine.at("processors");
  results.machine.kernel = machine.at("kernel");
  results.machine.huge_pages = machine.at("huge_pages");
  results.machine.load_before = machine.at("load_before");
  results.machine.load_after = machine.at("load_after");
  for (const auto& [column, peer] : json.at("peers").items()) {
    results.peers[column] = {peer.at("version"), peer.at("path")};
  }
  for (const auto& [row, of_row] : json.at("rows").items()) {
    for (const auto& [column, place] : of_row.items()) {
      Cell& cell = results.cells[row][column];
      if (place.contains("none")) {
        cell.reason = place.at("none");
        cell.failed = place.at("failed");
      } else {
        cell.values = place.at("values").get<std::vector<double>>();
      }
    }
  }
  return results;
}

}  // namespace bench
