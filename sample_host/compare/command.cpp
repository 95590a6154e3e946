// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// The command line of `sample_host compare`.
#include "compare/command.hpp"

#include <fstream>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>

#include "compare/compare.hpp"
#include "compare/side.hpp"
#include "format.hpp"
#include "progress.hpp"
#include "report.hpp"

namespace sample_host {
namespace {

constexpr const char* kDescription =
    "Load, work and unload the same plugins again and again, with their memory from the C library and from Berth, "
    "each\n"
    "in a process of its own, and show what stays resident.";

constexpr const char* kFooter =
    "The plugins are those of `sample_host run`; leaky forgets what it allocates, as plugins do. After each cycle all\n"
    "are unloaded, the C library's free memory is trimmed, and the kernel is asked what is resident.\n"
    "\n"
    "Examples:\n"
    "  sample_host compare --cycles 200\n"
    "  sample_host compare --svg picture.svg\n"
    "\n"
    "Exit status: 0 when the C library's side has grown and Berth's has not, 1 when it is otherwise, 2 when a side or\n"
    "a file failed.";

struct CompareOptions {
  std::uint64_t cycles = 1'000;
  std::string svg_file;
  std::string json_file;
  std::string side;  // what a child is started with
};

void write_file(const char* option, const std::string& path, const std::string& text) {
  if (path.empty()) return;
  std::ofstream file(path, std::ios::binary);
  file << text;
  if (!file.flush()) throw std::runtime_error(std::string(option) + ": " + path + " cannot be written");
}

int run_one_side(const CompareOptions& options) {
  run_side(
      options.side == kBerthSide ? Side::Berth : Side::CLibrary, options.cycles,
      [](std::size_t resident) { std::cout << resident << std::endl; },
      [](const PluginMetering& plugin) { std::cout << plugin.sentence() << std::endl; });
  return kExitGood;
}

int compare_and_print(const CompareOptions& options) {
  Progress progress(2 * options.cycles, "cycles");
  const Comparison comparison = compare(options.cycles, [&](std::size_t done) { progress.show(done); });
  write_file("--svg", options.svg_file, svg_chart(comparison));
  const nlohmann::ordered_json json{{"cycles", comparison.cycles},
                                    {"seconds", comparison.seconds},
                                    {"c_library_resident_bytes", comparison.c_library},
                                    {"berth_resident_bytes", comparison.berth},
                                    {"metering", comparison.metering}};
  write_file("--json", options.json_file, json.dump() + '\n');
  std::cout << "Resident memory of the host over " << counted(options.cycles, "cycle", "cycles")
            << " of load, work, unload:\n"
            << block_chart(comparison, 30);
  for (const std::string& sentence : comparison.metering) std::cout << sentence << '\n';
  const std::string fault = comparison.fault();
  if (!fault.empty()) std::cout << "Not as it should be: " << fault << ".\n";
  return fault.empty() ? kExitGood : kExitSomethingRemains;
}

}  // namespace

void add_compare_command(CLI::App& app, int& exit_status) {
  auto options = std::make_shared<CompareOptions>();
  CLI::App* command = app.add_subcommand("compare", kDescription);
  command->footer(kFooter);
  command->add_option("--cycles", options->cycles, "How often (default: 1,000)")
      ->option_text("N")
      ->check(CLI::Range(std::uint64_t{10}, std::uint64_t{1'000'000}));
  command->add_option("--svg", options->svg_file, "Draw both curves into this file")->option_text("FILE");
  command->add_option("--json", options->json_file, "Write every measurement to this file, in bytes")
      ->option_text("FILE");
  command->add_option("--side", options->side)
      ->check(CLI::IsMember({std::string(kCLibrarySide), std::string(kBerthSide)}))
      ->group("");  // hidden: what it starts itself with
  command->callback([options, &exit_status] {
    exit_status = options->side.empty() ? compare_and_print(*options) : run_one_side(*options);
  });
}

}  // namespace sample_host
