// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// `sample_host demo`: what Berth does for a host, on one screen of 80 columns.
#include "demo/command.hpp"

#include <iostream>
#include <memory>
#include <sstream>
#include <thread>

#include "compare/compare.hpp"
#include "demo/neighbours.hpp"
#include "format.hpp"
#include "progress.hpp"
#include "run.hpp"
#include "table.hpp"

namespace sample_host {
namespace {

constexpr std::uint64_t kCycles = 100;
constexpr std::size_t kColumns = 80;

std::string left_at_unload(const PluginReport& plugin) {
  if (!plugin.unloaded) return "not unloaded";
  if (plugin.metering == berth::Metering::Not) return "not metered";
  if (plugin.unload.live_blocks == 0) return plugin.metering == berth::Metering::Whole ? "none" : "none metered";
  return counted(plugin.unload.live_blocks, "block", "blocks");
}

void print_plugins(std::ostream& out, const RunReport& report) {
  using enum Table::Align;
  Table table({{"Plugin", Left}, {"Input"}, {"Work done"}, {"Peak"}, {"Forgotten"}, {"Given back"}});
  for (const PluginReport& plugin : report.plugins) {
    table.add_row({plugin.name, bytes_text(plugin.input_bytes), grouped(plugin.units) + ' ' + plugin.unit,
                   bytes_text(plugin.statistics.peak_committed_bytes), left_at_unload(plugin),
                   bytes_text(plugin.unload.returned_bytes)});
  }
  table.print(out);
}

void print_process(std::ostream& out, const RunReport& report) {
  Table table({{"The process, from /proc", Table::Align::Left}, {"Before"}, {"At peak"}, {"After"}});
  const auto add = [&](const char* title, std::string (*text)(std::uint64_t), std::size_t ProcessNumbers::*number) {
    table.add_row({title, text(report.before.*number), text(report.peak.*number), text(report.after.*number)});
  };
  add("Address space", bytes_text, &ProcessNumbers::address_space);
  add("Resident", bytes_text, &ProcessNumbers::resident);
  add("Map entries", grouped, &ProcessNumbers::map_entries);
  table.print(out);
}

// Broken at blanks, each line after the first with an indent.
void print_wrapped(std::ostream& out, const std::string& text) {
  constexpr const char* kIndent = "  ";
  std::istringstream words(text);
  std::string line = kIndent;
  for (std::string word; words >> word;) {
    if (line.size() + 1 + word.size() > kColumns) {
      out << line << '\n';
      line = kIndent;
    }
    line += (line == kIndent ? "" : " ") + word;
  }
  out << line << '\n';
}

std::vector<std::string> faults_of(const RunReport& report, const Comparison& comparison,
                                   const Neighbours& neighbours) {
  std::vector<std::string> faults = report.verdict.faults;
  faults.insert(faults.end(), report.errors.begin(), report.errors.end());
  if (const std::string fault = comparison.fault(); !fault.empty()) faults.push_back(fault);
  faults.insert(faults.end(), neighbours.faults.begin(), neighbours.faults.end());
  if (neighbours.named.size() != 1) faults.emplace_back("the foreign free was not named, or not once");
  berth_process_statistics ledger{};
  ledger.struct_size = sizeof(ledger);
  berth_process_stats(&ledger);
  if (ledger.reservations != 0) faults.emplace_back("Berth's ledger is not empty");
  return faults;
}

int demo() {
  RunOptions options;
  options.threads = static_cast<int>(std::max(2u, std::min(std::thread::hardware_concurrency(), 8u)));
  Progress progress(2 * kCycles, "cycles");
  const RunReport report = run(options);
  const Comparison comparison = compare(kCycles, [&](std::size_t done) { progress.show(done); });
  progress.clear();
  const Neighbours neighbours = run_neighbours();

  std::ostream& out = std::cout;
  out << "Five plugins at work on " << counted(static_cast<std::uint64_t>(options.threads), "thread", "threads")
      << ", each with an allocator instance of its own:\n\n";
  print_plugins(out, report);
  out << '\n';
  print_process(out, report);
  out << "\nResident memory of a host that loads and unloads them " << kCycles << " times:\n"
      << block_chart(comparison, 26) << "\nA plugin frees its neighbour's block. It is named, and the host goes on:\n";
  for (const std::string& message : neighbours.named) print_wrapped(out, message);

  const std::vector<std::string> faults = faults_of(report, comparison, neighbours);
  if (faults.empty()) {
    out << "\nVERDICT: everything went back: the instances are destroyed, their addresses are\n"
           "unmapped, Berth's ledger is empty.\n";
    return kExitGood;
  }
  out << "\nVERDICT: not everything is as it should be.\n";
  for (const std::string& fault : faults) print_wrapped(out, fault);
  return kExitSomethingRemains;
}

}  // namespace

void add_demo_command(CLI::App& app, int& exit_status) {
  CLI::App* command = app.add_subcommand("demo", "What Berth does for a host, on one screen.");
  command->footer(
      "Runs the sample plugins, compares a host with and without Berth, and lets a plugin free what is not its own.\n"
      "Exit status: 0 when everything went back, 1 when something remains.");
  command->callback([&exit_status] { exit_status = demo(); });
}

}  // namespace sample_host
