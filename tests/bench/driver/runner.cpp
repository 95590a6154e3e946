// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
#include "runner.hpp"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <iostream>
#include <sstream>

#include "program.hpp"

namespace bench {
namespace {

// A case takes some seconds; one that takes minutes has come to a stand.
constexpr int kTimeoutSeconds = 120;

struct Present {
  const Column& column;
  std::string program;
};

bool is_asked_for(const std::vector<std::string>& list, std::string_view name) {
  return list.empty() || std::find(list.begin(), list.end(), name) != list.end();
}

std::string rest_of(std::istringstream& line) {
  std::string text;
  std::getline(line >> std::ws, text);
  return text;
}

Peer identify(const std::string& program) {
  Peer peer;
  std::istringstream output(run_program({program, "identify"}, kTimeoutSeconds).output);
  for (std::string line; std::getline(output, line);) {
    std::istringstream words(line);
    std::string key;
    words >> key;
    if (key == "version") peer.version = rest_of(words);
    if (key == "path") peer.path = rest_of(words);
  }
  return peer;
}

std::vector<Present> find_programs(const RunOptions& options, Results& results) {
  std::vector<Present> present;
  for (const Column& column : columns()) {
    if (!is_asked_for(options.only, column.name)) continue;
    const std::filesystem::path program = options.folder / ("bench_" + std::string(column.program));
    if (!std::filesystem::exists(program)) {
      std::cout << column.name << ": left out, it was not installed when this was built\n";
      continue;
    }
    present.push_back({column, program.string()});
    results.peers[std::string(column.name)] = identify(program.string());
  }
  return present;
}

// Rows that the program did not come to are filled with why.
void take(const ProgramOutcome& outcome, std::string_view case_name, std::string_view column, Results& results) {
  std::string reason = outcome.failure;
  std::istringstream output(outcome.output);
  for (std::string line; std::getline(output, line);) {
    std::istringstream words(line);
    std::string kind;
    words >> kind;
    if (kind == "fail") {
      reason = rest_of(words);
      continue;
    }
    std::string row;
    words >> row;
    Cell& cell = results.cells[row][std::string(column)];
    double value = 0;
    if (kind == "row" && words >> value) cell.values.push_back(value);
    if (kind == "none") cell.reason = rest_of(words);
  }
  for (const Row& row : rows()) {
    if (!row.name.starts_with(case_name)) continue;
    Cell& cell = results.cells[std::string(row.name)][std::string(column)];
    if (!cell.values.empty() || !cell.reason.empty()) continue;
    cell.failed = true;
    cell.reason = reason.empty() ? "the program does not know the row" : reason;
  }
}

void show_progress(const std::string& text) {
  if (isatty(STDERR_FILENO) != 0) std::fprintf(stderr, "\r%-40s\r", text.c_str());
}

}  // namespace

Results run(const RunOptions& options) {
  Results results;
  results.machine = Machine::here();
  results.effort = options.effort;
  const std::vector<Present> present = find_programs(options, results);

  const auto repetitions_of = [&](const Case& one) {
    if (!options.cases.empty() && options.cases.find(one.name) == std::string::npos) return 0;
    if (options.effort == "tiny") return 1;
    if (options.repetitions != 0) return std::min(options.repetitions, one.repetitions);
    return options.effort == "quick" ? one.quick_repetitions : one.repetitions;
  };
  for (const Case& one : cases()) {
    const int repetitions = repetitions_of(one);
    for (int repetition = 0; repetition < repetitions; ++repetition) {
      for (const auto& [column, program] : present) {
        if (!column.cases.empty() && column.cases.find(one.name) == std::string_view::npos) continue;
        show_progress("case " + std::string(one.name) + ", " + std::to_string(repetition + 1) + " of " +
                      std::to_string(repetitions) + ": " + std::string(column.name));
        const ProgramOutcome outcome = run_program(
            {program, "run", std::string(one.name), options.effort, std::string(column.variant)}, kTimeoutSeconds);
        take(outcome, one.name, column.name, results);
      }
    }
  }
  show_progress("");
  results.machine.load_after = Machine::load();
  return results;
}

}  // namespace bench
